-- Alarms: found by the owner of the partition, worked with by operators, published from the transitions below.

-- One row for each alarm. A position is one bytea that sorts as snapshots do: time and timestamp (8 bytes each,
-- microseconds since 1900, big-endian), then the id of the snapshot.
CREATE TABLE app.alarm (
    id              text COLLATE "C" PRIMARY KEY CHECK (id ~ '^al_[0-9a-f]{32}$'),  -- random: starts and openings change
    spacecraft_id   text COLLATE "C" NOT NULL,
    parameter       text COLLATE "C" NOT NULL,  -- empty for SILENT
    "check"         text COLLATE "C" NOT NULL CHECK ("check" IN ('LIMIT', 'STATE', 'CHANGE', 'STALE', 'SILENT')),
    partition       smallint NOT NULL,
    -- The episode. The owner of the partition alone writes it.
    severity        smallint NOT NULL CHECK (severity BETWEEN 1 AND 4),
    start           timestamptz NOT NULL,
    "end"           timestamptz,                -- null: it is active
    raised_position bytea NOT NULL CHECK (octet_length(raised_position) >= 16),
    closed_position bytea CHECK (octet_length(closed_position) >= 16),  -- of the sample at which its end was known
    episode         json NOT NULL,              -- all of it, also what is told of its samples
    cause           json NOT NULL,              -- the limit at which severity last rose, and what its rule says for people
    subsystem       text,                       -- the rule's
    masked_by       text COLLATE "C",           -- the rule's
    waits           boolean NOT NULL,           -- whether it waits for an operator once it has returned
    is_late         boolean NOT NULL,
    is_retracted    boolean NOT NULL DEFAULT false,
    merged_into     text COLLATE "C" REFERENCES app.alarm DEFERRABLE INITIALLY DEFERRED,
    found_at        timestamptz NOT NULL,
    -- What operators did.
    acknowledged_at timestamptz,
    acknowledged_by text,
    acknowledgement text CHECK (length(acknowledgement) <= 4096),  -- the comment
    comments        json NOT NULL DEFAULT '[]',
    -- Both, under the lock of the row.
    revision        integer NOT NULL CHECK (revision > 0),
    updated_at      timestamptz NOT NULL,
    state           text NOT NULL GENERATED ALWAYS AS (CASE
                        WHEN is_retracted THEN 'RETRACTED'
                        WHEN "end" IS NULL AND acknowledged_at IS NULL THEN 'ACTIVE_UNACKNOWLEDGED'
                        WHEN "end" IS NULL THEN 'ACTIVE_ACKNOWLEDGED'
                        WHEN waits AND acknowledged_at IS NULL THEN 'RETURNED_UNACKNOWLEDGED'
                        ELSE 'CLOSED' END) STORED,
    CHECK (("end" IS NULL) = (closed_position IS NULL)),
    CHECK (merged_into IS NULL OR is_retracted),
    CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL)),
    CHECK (("check" = 'SILENT') = (parameter = ''))
) WITH (fillfactor = 70);  -- the episode of an open alarm is updated with each batch
-- A parameter and check have one open alarm at most.
CREATE UNIQUE INDEX alarm_open ON app.alarm (spacecraft_id, parameter, "check") WHERE "end" IS NULL AND NOT is_retracted;
CREATE INDEX alarm_by_position ON app.alarm (spacecraft_id, parameter, "check", closed_position) WHERE NOT is_retracted;
CREATE INDEX alarm_by_start ON app.alarm (spacecraft_id, start, id);
CREATE INDEX alarm_by_time ON app.alarm (start, id);  -- of all spacecraft together
CREATE INDEX alarm_standing ON app.alarm (spacecraft_id, parameter, "check", start)
    WHERE state NOT IN ('CLOSED', 'RETRACTED');
CREATE INDEX alarm_found ON app.alarm (found_at);

-- The history of each alarm, and what of it is still to be published. Numbers are drawn while the row of the alarm is
-- locked, so for one alarm numbers, revisions and commits have one order, whoever writes.
CREATE TABLE app.alarm_transition (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alarm_id   text COLLATE "C" NOT NULL REFERENCES app.alarm,
    revision   integer NOT NULL CHECK (revision > 0),
    transition text NOT NULL CHECK (transition IN ('RAISED', 'SEVERITY_INCREASED', 'RETURNED', 'CLOSED', 'ACKNOWLEDGED',
                                                   'SHELVED', 'UNSHELVED', 'COMMENTED', 'REVISED', 'RETRACTED')),
    by         text,                    -- null: the service itself
    at         timestamptz NOT NULL,
    comment    text,
    spacecraft_id text COLLATE "C" NOT NULL,
    message    json NOT NULL,           -- as published, byte for byte
    is_waiting boolean NOT NULL DEFAULT true,
    UNIQUE (alarm_id, revision)
);
CREATE INDEX alarm_outbox ON app.alarm_transition (number) WHERE is_waiting;

-- What has to be folded again: telemetry that came late, spacecraft that this owner meets for the first time, and configs
-- that were set. Written in the transaction that makes it necessary.
CREATE TABLE app.alarm_mark (
    number         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    spacecraft_id  text COLLATE "C" NOT NULL,
    parameter      text COLLATE "C",    -- null: every parameter and check
    "check"        text COLLATE "C",
    first_position bytea,               -- of the snapshots that it is about; null: a config was set
    last_position  bytea,
    is_late        boolean NOT NULL,    -- whether later snapshots had been folded when these came
    marked_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((parameter IS NULL) = ("check" IS NULL)),
    CHECK ((first_position IS NULL) = (last_position IS NULL))
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX alarm_mark_by_spacecraft ON app.alarm_mark (spacecraft_id);

-- From when on a version of a config ends what it does not check: when it was set, or the time of the newest snapshot that
-- an earlier version judged, whichever is later.
CREATE TABLE app.config_start (
    spacecraft_id text COLLATE "C" NOT NULL,
    version       integer NOT NULL,
    time          timestamptz NOT NULL,
    PRIMARY KEY (spacecraft_id, version)
);

-- Snapshots whose clock cannot have been right: they count at their reception, where no range of timestamps finds them.
CREATE TABLE app.misdated_snapshot (
    spacecraft_id text COLLATE "C" NOT NULL,
    "timestamp"   timestamptz NOT NULL,
    id            text COLLATE "C" NOT NULL,
    received_at   timestamptz NOT NULL,
    PRIMARY KEY (spacecraft_id, "timestamp", id)
);
CREATE INDEX misdated_snapshot_by_reception ON app.misdated_snapshot (spacecraft_id, received_at);

-- What operators have put aside for a while.
CREATE TABLE app.alarm_shelf (
    spacecraft_id text COLLATE "C" NOT NULL,
    is_whole      boolean NOT NULL,                 -- the whole spacecraft, whatever parameter and check
    parameter     text COLLATE "C" NOT NULL DEFAULT '',  -- empty for SILENT, and for the whole spacecraft
    "check"       text COLLATE "C" NOT NULL DEFAULT '',  -- empty: each of them
    by            text NOT NULL,
    since         timestamptz NOT NULL DEFAULT clock_timestamp(),
    until         timestamptz NOT NULL,
    reason        text NOT NULL CHECK (length(reason) BETWEEN 1 AND 4096),
    PRIMARY KEY (spacecraft_id, is_whole, parameter, "check"),
    CHECK (until > since)
);
CREATE INDEX alarm_shelf_until ON app.alarm_shelf (until);

ALTER TABLE app.checkpoint ADD COLUMN alarms_sequence bigint NOT NULL DEFAULT 0;  -- where ALARMS ended when transitions
                                                                                  -- last left the outbox

-- Whether the config in force has a silentAfter, so that silence is an alarm.
ALTER TABLE app.spacecraft ADD COLUMN tells_silence boolean NOT NULL DEFAULT false;
UPDATE app.spacecraft SET tells_silence = true FROM app.config
WHERE config.spacecraft_id = spacecraft.spacecraft_id AND version = config_version AND document ->> 'silentAfter' IS NOT NULL;
CREATE INDEX spacecraft_tells_silence ON app.spacecraft (spacecraft_id) WHERE tells_silence;
