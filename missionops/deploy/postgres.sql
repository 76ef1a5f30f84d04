-- Roles and rights in the database of one mission: run in that database, as a superuser, before `missionops migrate`.
-- Running it again does no harm; it gives a schema that another role made the same owner and rights.
--
--   mission_migrator  owns the schema app and may change it: for `missionops migrate` alone
--   mission_app       reads and writes the rows of its tables and no more: for `missionops serve`
--   mission_reader    reads them: for Grafana and for people
--
-- Passwords come as settings of the session, so that they are in no file and in no log; without one a role has no
-- password, and cannot log in by one:
--
--   PGOPTIONS='-c missionops.app_password=… -c missionops.migrator_password=… -c missionops.reader_password=…'
--
-- A second mission on the same server has a database of its own, and roles: with `-c missionops.mission=second` they are
-- second_migrator, second_app and second_reader.

DO $$
DECLARE
    mission  text := coalesce(nullif(current_setting('missionops.mission', true), ''), 'mission');
    migrator text := mission || '_migrator';
    app      text := mission || '_app';
    reader   text := mission || '_reader';
    kind     text;
    password text;
    object   record;
BEGIN
    FOREACH kind IN ARRAY ARRAY['migrator', 'app', 'reader'] LOOP
        IF to_regrole(quote_ident(mission || '_' || kind)) IS NULL THEN
            EXECUTE format('CREATE ROLE %I LOGIN', mission || '_' || kind);
        END IF;
        password := nullif(current_setting(format('missionops.%s_password', kind), true), '');
        IF password IS NOT NULL THEN
            EXECUTE format('ALTER ROLE %I PASSWORD %L', mission || '_' || kind, password);
        END IF;
    END LOOP;
    EXECUTE format('ALTER ROLE %I SET default_transaction_read_only = on', reader);
    -- The first two a session may change: they end what was forgotten. The other two it may not.
    EXECUTE format('ALTER ROLE %I SET statement_timeout = %L', reader, '30s');
    EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = %L', reader, '60s');
    EXECUTE format('ALTER ROLE %I CONNECTION LIMIT 20', reader);
    EXECUTE format('ALTER ROLE %I SET temp_file_limit = %L', reader, '2GB');

    -- No other role may connect, and no role may make temporary tables.
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I, %I, %I', current_database(), migrator, app, reader);
    REVOKE ALL ON SCHEMA public FROM PUBLIC;

    -- Functions that any role may call, with effects on all: advisory locks, of which one session could take so many that
    -- the server has no room for the lock of any transaction, and large objects, which fill its disk.
    FOR object IN SELECT oid::regprocedure AS name FROM pg_proc
                  WHERE pronamespace = 'pg_catalog'::regnamespace
                    AND (proname ~ '^pg_(try_)?advisory_(xact_)?lock' OR proname IN ('lo_creat', 'lo_create', 'lo_from_bytea'))
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', object.name);
    END LOOP;

    EXECUTE format('CREATE SCHEMA IF NOT EXISTS app AUTHORIZATION %I', migrator);
    EXECUTE format('ALTER SCHEMA app OWNER TO %I', migrator);
    EXECUTE format('GRANT USAGE ON SCHEMA app TO %I, %I', app, reader);
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm') THEN
        CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA app;  -- the migrator may not create an extension
    END IF;

    -- What a migration makes later: tables and functions, and the partitions that app.ensure_partitions makes as the migrator.
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA app GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO %I',
                   migrator, app);
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA app GRANT EXECUTE ON FUNCTIONS TO %I', migrator, app);
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA app GRANT SELECT ON TABLES TO %I', migrator, reader);

    -- Tables and functions that exist already.
    FOR object IN SELECT oid::regclass AS name FROM pg_class
                  WHERE relnamespace = 'app'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
                    AND pg_get_userbyid(relowner) <> migrator LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO %I', object.name, migrator);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', object.name, app);
        IF object.name IS DISTINCT FROM to_regclass('app.token') THEN  -- it holds keys and digests
            EXECUTE format('GRANT SELECT ON %s TO %I', object.name, reader);
        END IF;
    END LOOP;
    FOR object IN SELECT oid::regprocedure AS name FROM pg_proc
                  WHERE pronamespace = 'app'::regnamespace AND pg_get_userbyid(proowner) <> migrator
                    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e') LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO %I', object.name, migrator);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', object.name, app);
    END LOOP;
END $$;
