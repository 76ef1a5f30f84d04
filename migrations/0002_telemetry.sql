-- What spacecraft reported, what was wrong with it, and how far the stream has been handled.

-- One row a snapshot. Its spacecraft is no foreign key: the writer registers a spacecraft in the same transaction,
-- and a check for each row would cost more than the row. Parameters are json, not jsonb: kept as judged (an integer
-- exactly, a double in its shortest form) and cheaper to write; `parameters->>'temp'` reads one by name.
CREATE TABLE app.telemetry (
    spacecraft_id text COLLATE "C" NOT NULL,
    "timestamp"   timestamptz NOT NULL CHECK ("timestamp" >= '1900-01-01Z' AND "timestamp" < '2200-01-01Z'),
    id            text COLLATE "C" NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    parameters    json NOT NULL,
    received_at   timestamptz NOT NULL,
    PRIMARY KEY (spacecraft_id, "timestamp", id)
) PARTITION BY RANGE ("timestamp");

-- The service may not create tables; it may have this one made. Attaching an empty table does not stop writers,
-- as CREATE TABLE … PARTITION OF would.
CREATE FUNCTION app.ensure_telemetry_month(day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    first date := date_trunc('month', day)::date;
    next  date := (first + interval '1 month')::date;
    name  text := 'telemetry_' || to_char(first, 'YYYY_MM');
BEGIN
    IF first < '1900-01-01' OR first > '2199-12-01' THEN
        RAISE EXCEPTION 'no telemetry is kept for %', day USING ERRCODE = 'check_violation';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('app.ensure_telemetry_month'));
    IF to_regclass('app.' || name) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE app.%I (LIKE app.telemetry INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
    EXECUTE format('ALTER TABLE app.telemetry ATTACH PARTITION app.%I FOR VALUES FROM (%L) TO (%L)', name, first, next);
END $$;
REVOKE ALL ON FUNCTION app.ensure_telemetry_month(date) FROM PUBLIC;

-- One row for each parameter of a snapshot that was outside its limits.
CREATE TABLE app.anomaly (
    spacecraft_id   text COLLATE "C" NOT NULL,
    "timestamp"     timestamptz NOT NULL,
    snapshot_id     text COLLATE "C" NOT NULL,
    parameter       text COLLATE "C" NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('CRIT_LOW', 'WARN_LOW', 'CRIT_HIGH', 'WARN_HIGH')),
    severity        text NOT NULL CHECK (severity IN ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL')),
    config_version  integer NOT NULL,
    message         json NOT NULL,      -- as published, byte for byte
    partition       smallint NOT NULL,
    incarnation     integer NOT NULL,   -- of the stream it came from
    stream_sequence bigint NOT NULL,    -- of the message it came from
    ordinal         integer NOT NULL,   -- among the anomalies of that message
    PRIMARY KEY (spacecraft_id, "timestamp", snapshot_id, parameter)
);
-- Rows arrive in stream order, so a few pages of this answer "what came after sequence N" at nearly no cost to a write.
CREATE INDEX anomaly_by_stream ON app.anomaly USING brin (stream_sequence) WITH (pages_per_range = 8, autosummarize = on);

-- How far each partition of the stream TELEMETRY has been handled, and by whom. Written in each batch's transaction.
CREATE TABLE app.position (
    partition           smallint PRIMARY KEY CHECK (partition >= 0),
    stream_created      text,                             -- with the name TELEMETRY, which stream this is a place in
    incarnation         integer NOT NULL DEFAULT 0,       -- rises when the stream is another, or went back
    sequence            bigint NOT NULL DEFAULT 0,        -- the last message that was decided
    sequence_time       bigint NOT NULL DEFAULT 0,        -- its time in the stream, ns since 1970
    published_sequence  bigint NOT NULL DEFAULT 0,        -- anomalies of messages up to here are known to be published,
    anomalies_sequence  bigint NOT NULL DEFAULT 0,        -- where the stream ANOMALIES then ended,
    dead_letters_sequence bigint NOT NULL DEFAULT 0,      -- and where DEADLETTERS ended
    lost                bigint NOT NULL DEFAULT 0,        -- messages that the stream gave up before they were read
    owner               text,
    epoch               bigint NOT NULL DEFAULT 0,        -- rises with each claim; a transaction of an older one is refused
    lease_until         timestamptz NOT NULL DEFAULT '-infinity',
    CHECK (published_sequence <= sequence)
) WITH (fillfactor = 10);  -- updated in place for ever

INSERT INTO app.position (partition) VALUES (0);
