-- Tokens: who may do what over HTTP.

-- One row for each token, for ever: the audit names it. A bearer presents `key`, which finds the row, and a secret, of
-- which `digest` is the SHA-256.
CREATE TABLE app.token (
    name       text COLLATE "C" PRIMARY KEY
               CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$' AND name NOT IN ('nats', 'http')),
    key        text COLLATE "C" NOT NULL UNIQUE CHECK (key ~ '^[0-9a-f]{16}$'),
    digest     bytea NOT NULL CHECK (octet_length(digest) = 32),
    role       text NOT NULL CHECK (role IN ('reader', 'operator', 'admin')),
    spacecraft text[] CHECK (cardinality(spacecraft) BETWEEN 1 AND 1000 AND array_position(spacecraft, NULL) IS NULL
                             AND array_to_string(spacecraft, ',')
                                 ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}(,[A-Za-z0-9][A-Za-z0-9_-]{0,63})*$'),  -- null: all
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz CHECK (expires_at > created_at),  -- null: never
    revoked_at timestamptz
);

-- A token changes once, when it is revoked, and stays so.
CREATE TRIGGER token_is_history BEFORE UPDATE ON app.token FOR EACH ROW
    WHEN (OLD.revoked_at IS NOT NULL OR NEW.revoked_at IS NULL
          OR (NEW.name, NEW.key, NEW.digest, NEW.role, NEW.spacecraft, NEW.created_at, NEW.expires_at)
             IS DISTINCT FROM
             (OLD.name, OLD.key, OLD.digest, OLD.role, OLD.spacecraft, OLD.created_at, OLD.expires_at))
    EXECUTE FUNCTION app.refuse_change();

-- Keys and digests are for the service alone: a role that by default may only read tables may not read this one.
DO $$
DECLARE
    reader regrole;
BEGIN
    FOR reader IN SELECT grantee FROM pg_class, aclexplode(relacl)
                  WHERE pg_class.oid = 'app.token'::regclass AND grantee NOT IN (0, relowner)
                  GROUP BY grantee HAVING bool_and(privilege_type = 'SELECT') LOOP
        EXECUTE format('REVOKE ALL ON app.token FROM %s', reader);
    END LOOP;
END $$;
