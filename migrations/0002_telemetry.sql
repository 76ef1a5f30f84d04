-- Telemetry, its anomalies, their partitions, and how far the stream TELEMETRY has been handled.

-- One row for each snapshot. Its spacecraft is no foreign key: the writer registers a spacecraft in the same
-- transaction, and a check for each row would cost more than the row; for the same reason its parameter set is none.
-- Columns of a fixed width come first: in this order a row has no padding between them.
CREATE TABLE app.snapshot (
    "timestamp"      timestamptz NOT NULL CHECK ("timestamp" >= '1900-01-01Z' AND "timestamp" < '2200-01-01Z'),
    received_at      timestamptz NOT NULL,
    config_version   integer NOT NULL CHECK (config_version >= 0),  -- the one that judged it; 0: there was none
    parameter_set_id integer,         -- which names `numbers` has; null: it has none
    spacecraft_id    text COLLATE "C" NOT NULL,
    id               text COLLATE "C" NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    numbers          double precision[],  -- in the order of the names; null, or past the end: not reported, or in `others`
    -- What is no double: texts, booleans, integers past 2^53, null (no value), and numbers whose names are in no set. It is
    -- json, not jsonb, which has no -0.0 and writes 1e300 as 301 digits.
    others           json,
    PRIMARY KEY (spacecraft_id, "timestamp", id),
    CHECK ((parameter_set_id IS NULL) = (numbers IS NULL))
) PARTITION BY RANGE ("timestamp");

-- Telemetry for people and Grafana: `parameters->>'temp'` reads one parameter; app.samples is faster over many rows. The
-- parameters are put together here, and not by a function: over many rows a call for each takes twice as long.
CREATE VIEW app.telemetry AS
SELECT spacecraft_id, "timestamp", snapshot.id, (
           SELECT coalesce(json_object_agg(name, value), '{}')
           FROM (
               -- A double from 1e15 on has an exponent, which an integer was not sent with.
               SELECT name, CASE WHEN abs(number) BETWEEN 1e15 AND 2::double precision ^ 53 AND number = trunc(number)
                            THEN to_json(number::bigint) ELSE to_json(number) END AS value
               FROM unnest(names, numbers) AS _ (name, number) WHERE number IS NOT NULL
               UNION ALL
               SELECT key, value FROM json_each(others)
           ) AS reported
       ) AS parameters, received_at, nullif(config_version, 0) AS config_version
FROM app.snapshot LEFT JOIN app.parameter_set ON parameter_set.id = parameter_set_id;

-- The samples of one parameter between two times, both inclusive, in no order: a number in `number`, a text or a boolean
-- in `text`, neither where it was reported to have no value. Not STRICT and without settings of its own, so that the
-- planner writes it into the query that uses it, and partitions outside the range are no part of the plan.
CREATE FUNCTION app.samples(spacecraft_id text, parameter text, "from" timestamptz, "to" timestamptz)
RETURNS TABLE ("timestamp" timestamptz, number double precision, text text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT "timestamp", coalesce(number, CASE WHEN json_typeof(other) = 'number' THEN (other #>> '{}')::float8 END),
           CASE WHEN json_typeof(other) IN ('string', 'boolean') THEN other #>> '{}' END
    FROM (
        SELECT stored."timestamp", stored.numbers[column_of.position] AS number, stored.others -> samples.parameter AS other
        FROM app.snapshot AS stored LEFT JOIN (
            SELECT id, array_position(names, samples.parameter) AS position
            FROM app.parameter_set JOIN app.spacecraft_parameter_set AS of_spacecraft ON parameter_set_id = id
            WHERE of_spacecraft.spacecraft_id = samples.spacecraft_id
            OFFSET 0  -- the position is looked for once in each set, and not for each snapshot
        ) AS column_of ON column_of.id = stored.parameter_set_id
        WHERE stored.spacecraft_id = samples.spacecraft_id AND stored."timestamp" BETWEEN samples."from" AND samples."to"
    ) AS _
    WHERE number IS NOT NULL OR other IS NOT NULL
$$;

-- One row for each parameter of a snapshot that was outside its limits.
CREATE TABLE app.anomaly (
    spacecraft_id     text COLLATE "C" NOT NULL,
    "timestamp"       timestamptz NOT NULL CHECK ("timestamp" >= '1900-01-01Z' AND "timestamp" < '2200-01-01Z'),
    snapshot_id       text COLLATE "C" NOT NULL,
    parameter         text COLLATE "C" NOT NULL,
    kind              text NOT NULL CHECK (kind ~ '^[A-Z][A-Z0-9_]{0,31}$'),  -- the check that failed, as WARN_HIGH
    severity          text NOT NULL CHECK (severity IN ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL')),
    config_version    integer NOT NULL CHECK (config_version > 0),
    detected_at       timestamptz NOT NULL,
    body              json NOT NULL,      -- as published, byte for byte
    partition         smallint NOT NULL,
    stream_generation integer NOT NULL,   -- of the stream TELEMETRY, as in app.checkpoint
    stream_sequence   bigint NOT NULL,    -- of the message
    number_in_message integer NOT NULL,   -- among the anomalies of that message, from 0
    PRIMARY KEY (spacecraft_id, "timestamp", snapshot_id, parameter)
) PARTITION BY RANGE ("timestamp");
CREATE INDEX anomaly_by_time ON app.anomaly ("timestamp", spacecraft_id);  -- of all spacecraft together
-- Rows arrive in stream order, so a few pages of this index find what follows a sequence, at nearly no cost to a write.
CREATE INDEX anomaly_by_stream ON app.anomaly USING brin (stream_sequence) WITH (pages_per_range = 8, autosummarize = on);

-- Anomalies whose timestamp is a day or more away from their reception, listed by reception for 24 hours: a status counts
-- them without reading every partition. The distance is fixed, whatever a config says of its spacecraft's clock: a status
-- reads the partitions of one more day on either side, and so misses none when a config changes.
CREATE TABLE app.misdated_anomaly (
    spacecraft_id text COLLATE "C" NOT NULL,
    detected_at   timestamptz NOT NULL,
    "timestamp"   timestamptz NOT NULL,
    snapshot_id   text COLLATE "C" NOT NULL,
    parameter     text COLLATE "C" NOT NULL,
    severity      text NOT NULL CHECK (severity IN ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL')),
    PRIMARY KEY (spacecraft_id, detected_at, "timestamp", snapshot_id, parameter),
    CHECK ("timestamp" <= detected_at - interval '24 hours' OR "timestamp" >= detected_at + interval '24 hours')
);

-- Which times have a partition. Only what is attached counts: a table that was detached takes no rows.
CREATE VIEW app.partition AS
SELECT parent,
       oid::regclass AS name,
       coalesce(substring(bounds FROM 'FROM \(''([^'']+)''\)')::timestamptz, '-infinity') AS first,  -- the first time,
       coalesce(substring(bounds FROM 'TO \(''([^'']+)''\)')::timestamptz, 'infinity') AS before,    -- and what follows
       is_detaching
FROM (
    SELECT inhparent::regclass AS parent, child.oid, pg_get_expr(child.relpartbound, child.oid) AS bounds,
           inhdetachpending AS is_detaching
    FROM pg_catalog.pg_inherits JOIN pg_catalog.pg_class AS child ON child.oid = inhrelid
    WHERE inhparent IN (SELECT oid FROM pg_catalog.pg_class
                        WHERE relkind = 'p' AND relnamespace = 'app'::regnamespace)
) AS _;

CREATE VIEW app.snapshot_partition AS
SELECT name, first, before, is_detaching FROM app.partition WHERE parent = 'app.snapshot'::regclass;

CREATE VIEW app.anomaly_partition AS
SELECT name, first, before, is_detaching FROM app.partition WHERE parent = 'app.anomaly'::regclass;

-- Makes what is missing of the partitions of `parent` that hold these days, at most `most` of them; returns how many were
-- made. The service may not create tables; it may have these made. From 20 years back to two months ahead of this
-- server's clock a partition holds a month, before and after that a decade, so that a snapshot with a wrong clock cannot
-- make thousands of them; a decade ends where another partition or the months begin.
--
-- The lock needs the rights of the owner, so a role that only reads cannot hold it; it waits for no reader, and no reader
-- or writer waits for it. Attaching an empty table does not stop writers, as CREATE TABLE … PARTITION OF would.
CREATE FUNCTION app.ensure_partitions(parent regclass, days date[], most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
    months_first  CONSTANT timestamptz := date_trunc('month', now() - interval '20 years');
    months_before CONSTANT timestamptz := date_trunc('month', now()) + interval '3 months';
    stem        text;
    made        integer := 0;
    missing     timestamptz[];
    is_locked   boolean := false;
    start       timestamptz;
    lower_bound timestamptz;
    upper_bound timestamptz;
    label       text;
    name        text;
    number      integer;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class WHERE oid = parent AND relkind = 'p' AND relnamespace = 'app'::regnamespace) THEN
        RAISE EXCEPTION '% has no partitions by time', parent USING ERRCODE = 'wrong_object_type';
    END IF;
    IF EXISTS (SELECT FROM unnest(days) AS _ (wanted) WHERE wanted < '1900-01-01' OR wanted > '2199-12-31') THEN
        RAISE EXCEPTION 'telemetry is kept from 1900-01-01 to 2199-12-31' USING ERRCODE = 'check_violation';
    END IF;
    SELECT relname INTO stem FROM pg_class WHERE oid = parent;
    SELECT found.name::text INTO name FROM app.partition AS found JOIN unnest(days) AS _ (wanted)
        ON found.first < wanted + 1 AND found.before > wanted
        WHERE found.parent = ensure_partitions.parent AND is_detaching LIMIT 1;
    IF name IS NOT NULL THEN
        RAISE EXCEPTION 'the partition % is being detached, and takes no rows until that is finished', name
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    LOOP
        WITH partition AS MATERIALIZED (
            SELECT * FROM app.partition AS found WHERE found.parent = ensure_partitions.parent
        ),
        beginning (time) AS (  -- of a part of a day: its own, and where a partition ends within it
            SELECT wanted::timestamptz FROM unnest(days) AS _ (wanted)
            UNION SELECT before FROM unnest(days) AS _ (wanted) JOIN partition ON before > wanted AND before < wanted + 1
        )
        SELECT array_agg(time ORDER BY time) INTO missing FROM beginning
        WHERE NOT EXISTS (SELECT FROM partition WHERE time >= first AND time < before);
        IF missing IS NULL THEN
            RETURN 0;
        END IF;
        EXIT WHEN is_locked;
        EXECUTE format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', parent);
        is_locked := true;  -- no other session makes any now: the next turn of the loop sees what was made meanwhile
    END LOOP;
    FOREACH start IN ARRAY missing LOOP
        EXIT WHEN made = most;
        CONTINUE WHEN start < upper_bound;  -- the one made last holds it
        IF start >= months_first AND start < months_before THEN
            lower_bound := date_trunc('month', start);
            upper_bound := lower_bound + interval '1 month';
            label := stem || to_char(lower_bound, '"_"YYYY_MM');
        ELSE
            lower_bound := date_trunc('decade', start);
            upper_bound := lower_bound + interval '10 years';
            label := stem || to_char(lower_bound, '"_"YYYY"s"');
            IF start < months_first THEN
                upper_bound := least(upper_bound, months_first);
            ELSE
                lower_bound := greatest(lower_bound, months_before);
            END IF;
        END IF;
        SELECT greatest(lower_bound, max(found.before) FILTER (WHERE found.before <= start)),
               least(upper_bound, min(found.first) FILTER (WHERE found.first > start))
            INTO lower_bound, upper_bound
            FROM app.partition AS found WHERE found.parent = ensure_partitions.parent;
        name := label;
        number := 1;
        WHILE to_regclass(format('app.%I', name)) IS NOT NULL LOOP
            number := number + 1;
            name := label || '_' || number;
        END LOOP;
        EXECUTE format('CREATE TABLE app.%I (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name, parent);
        EXECUTE format('ALTER TABLE %s ATTACH PARTITION app.%I FOR VALUES FROM (%L) TO (%L)',
                       parent, name, lower_bound, upper_bound);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
REVOKE ALL ON FUNCTION app.ensure_partitions(regclass, date[], integer) FROM PUBLIC;

-- How far each partition of the stream TELEMETRY has been handled, and who owns it. Updated in each batch's transaction.
CREATE TABLE app.checkpoint (
    partition             smallint PRIMARY KEY CHECK (partition >= 0),
    stream_created        text,                       -- with the name TELEMETRY, which stream this is a position in
    stream_generation     integer NOT NULL DEFAULT 0, -- rises when the stream is another one, or went back
    sequence              bigint NOT NULL DEFAULT 0,  -- the last message that was decided
    sequence_time         bigint NOT NULL DEFAULT 0,  -- its time in the stream, ns since 1970
    published_sequence    bigint NOT NULL DEFAULT 0,  -- anomalies of messages up to here are known to be published,
    anomalies_sequence    bigint NOT NULL DEFAULT 0,  -- where the stream ANOMALIES then ended,
    dead_letters_sequence bigint NOT NULL DEFAULT 0,  -- and where DEADLETTERS ended
    events_sequence       bigint NOT NULL DEFAULT 0,  -- where EVENTS ended when rows last left the outbox
    lost                  bigint NOT NULL DEFAULT 0,  -- messages that the stream gave up before they were read
    owner                 text,
    epoch                 bigint NOT NULL DEFAULT 0,  -- rises with each claim; a transaction of an older one is refused
    lease                 double precision NOT NULL DEFAULT 0,       -- seconds, as its owner has it: by its own clock a
                                                                     -- standby knows from it that the owner is gone
    lease_until           timestamptz NOT NULL DEFAULT '-infinity',  -- by this server's clock, which may step by hours
    CHECK (published_sequence <= sequence)
) WITH (fillfactor = 10);  -- updated in place for ever

INSERT INTO app.checkpoint (partition) VALUES (0);
