-- Spacecraft, every version of their configs, what was received of them last, and which parameters they have reported.

CREATE TABLE app.spacecraft (
    spacecraft_id  text COLLATE "C" PRIMARY KEY CHECK (spacecraft_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),
    name           text,
    mission_type   text,
    config_version integer NOT NULL DEFAULT 0 CHECK (config_version >= 0),  -- the one in force; 0: none yet
    -- What the config in force says, in seconds, or its defaults: kept here so that no query parses a document for it.
    clock_ahead    double precision NOT NULL DEFAULT 600
                   CHECK (clock_ahead >= 0 AND clock_ahead < 'infinity'),  -- clock.ahead
    silent_after   double precision NOT NULL DEFAULT 86400
                   CHECK (silent_after > 0 AND silent_after < 'infinity'),  -- silentAfter
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE app.config (
    spacecraft_id text COLLATE "C" NOT NULL REFERENCES app.spacecraft,
    version       integer NOT NULL CHECK (version > 0),
    document      json NOT NULL CHECK (json_typeof(document) = 'object'),  -- json, not jsonb: returned as it was sent
    source        text NOT NULL CHECK (source <> ''),
    recorded_by   text NOT NULL CHECK (recorded_by <> ''),  -- who set it, as the audit names them
    reason        text CHECK (length(reason) BETWEEN 1 AND 1024),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (spacecraft_id, version)
);

-- A version that was in force has judged telemetry: it is history and is never changed.
CREATE FUNCTION app.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is history and is never changed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER config_is_history BEFORE UPDATE ON app.config
    FOR EACH ROW EXECUTE FUNCTION app.refuse_change();

-- What was received of a spacecraft last. A table of its own, because every batch updates it: a lock that somebody holds
-- on a registration does not stop ingest. For the same reason it has no foreign key.
CREATE TABLE app.reception (
    spacecraft_id           text COLLATE "C" PRIMARY KEY,
    last_received_at        timestamptz NOT NULL,
    last_received_timestamp timestamptz NOT NULL,  -- the timestamp of that snapshot
    last_timestamp          timestamptz            -- the newest timestamp that is not ahead of the clock; null if all are
) WITH (fillfactor = 50);

-- Sets of parameter names, each stored once, whichever spacecraft report them. `numbers` of a snapshot has the values in
-- the order of the names, so a set is never changed and never removed.
CREATE TABLE app.parameter_set (
    id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 16),  -- of the names
    names  text[] NOT NULL CHECK (cardinality(names) BETWEEN 1 AND 10000 AND array_position(names, NULL) IS NULL)
);

CREATE TRIGGER parameter_set_is_history BEFORE UPDATE OR DELETE ON app.parameter_set
    FOR EACH ROW EXECUTE FUNCTION app.refuse_change();

-- The sets of each spacecraft. Together they hold every name that it has ever reported, up to 10,000.
CREATE TABLE app.spacecraft_parameter_set (
    spacecraft_id    text COLLATE "C" NOT NULL,
    parameter_set_id integer NOT NULL REFERENCES app.parameter_set,
    PRIMARY KEY (spacecraft_id, parameter_set_id)
);
