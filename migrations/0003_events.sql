-- Events beside telemetry, and which of them are still to be published.

-- One row for each event. Its id is unique over all spacecraft, so that an event has one name wherever it is mentioned.
CREATE TABLE app.event (
    id            text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$'),
    spacecraft_id text COLLATE "C" CHECK (spacecraft_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),  -- null: the whole fleet
    "timestamp"   timestamptz NOT NULL CHECK ("timestamp" >= '1900-01-01Z' AND "timestamp" < '2200-01-01Z'),
    type          text NOT NULL CHECK (type IN ('ANOMALY', 'CONTACT_LOST', 'MODE_CHANGE', 'COMMAND_SENT', 'INFO',
                                                'CONFIG_CHANGED', 'DOCUMENT_PUBLISHED')),
    severity      text NOT NULL CHECK (severity IN ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL')),
    message       text NOT NULL CHECK (length(message) BETWEEN 1 AND 4096),
    metadata      json NOT NULL CHECK (json_typeof(metadata) = 'object'),  -- json, not jsonb: returned as it was sent
    -- Null: the service itself, when something was changed. Anybody who may record events may record one that looks the
    -- same; here they differ.
    recorded_by   text COLLATE "C"
);
CREATE INDEX event_by_spacecraft ON app.event (spacecraft_id, "timestamp", id);
CREATE INDEX event_by_time ON app.event ("timestamp", id);  -- of all spacecraft together

CREATE TRIGGER event_is_history BEFORE UPDATE ON app.event
    FOR EACH ROW EXECUTE FUNCTION app.refuse_change();

-- Events that are not known to be published, written in the transaction that wrote the event. Numbers are drawn before
-- transactions commit, so a lower one may appear after a higher one is gone: rows are removed one by one, by number.
CREATE TABLE app.outbox (
    number   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id text COLLATE "C" NOT NULL UNIQUE REFERENCES app.event
);
