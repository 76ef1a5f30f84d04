-- Spacecraft, and every version of their configs.

CREATE TABLE app.spacecraft (
    spacecraft_id  text COLLATE "C" PRIMARY KEY CHECK (spacecraft_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),
    name           text,
    mission_type   text,
    config_version integer NOT NULL DEFAULT 0 CHECK (config_version >= 0),  -- the one in force; 0: none yet
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE app.config (
    spacecraft_id text COLLATE "C" NOT NULL REFERENCES app.spacecraft,
    version       integer NOT NULL CHECK (version > 0),
    document      json NOT NULL CHECK (json_typeof(document) = 'object'),  -- json, not jsonb: answered as it was sent
    status        text NOT NULL CHECK (status = 'approved'),
    source        text NOT NULL CHECK (source <> ''),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (spacecraft_id, version)
);

-- A version once in force judged telemetry: it is history and is never changed.
CREATE FUNCTION app.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is history and is never changed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER config_is_history BEFORE UPDATE ON app.config
    FOR EACH ROW EXECUTE FUNCTION app.refuse_change();
