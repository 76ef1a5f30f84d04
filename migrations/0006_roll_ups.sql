-- Roll-ups of telemetry: what a minute, an hour or a day of a spacecraft holds, recomputed from the snapshots whenever one
-- was added, never counted on.
--
-- A row says all there is to say about its time, unless an hour of that time is in app.stale_hour. Where there is no row,
-- nothing is said: the finer table has it, and at last app.snapshot. So a row may be deleted at any time, and a minute, an
-- hour or a day with fewer than 30 snapshots for each parameter set has none: it would be no smaller than they are.

CREATE TABLE app.roll_up_minute (
    start            timestamptz NOT NULL,
    first_at         timestamptz NOT NULL,  -- of its snapshots
    last_at          timestamptz NOT NULL,
    snapshots        integer NOT NULL CHECK (snapshots > 0),
    parameter_set_id integer NOT NULL,      -- each has its row; 0: of the snapshots that have none
    config_version   integer,               -- the one that judged all snapshots; 0: none did; null: see `versions`
    spacecraft_id    text COLLATE "C" NOT NULL,
    -- Of the numbers in `numbers` of the snapshots, in the order of the parameter set's names; null: there was none. Times
    -- are microseconds since `start`; of equal values the first counts.
    counts           integer[],             -- null: each as `snapshots`
    minima           double precision[] NOT NULL,
    minima_at        integer[] NOT NULL,
    maxima           double precision[] NOT NULL,
    maxima_at        integer[] NOT NULL,
    lasts            double precision[] NOT NULL,
    lasts_at         integer[],             -- null: each is of the last snapshot
    -- Of the values in `others` of the snapshots: name → [texts and booleans], and of numbers, if there were any, also
    -- count, minimum, its time, maximum, its time, last, its time.
    others           json,
    violations       json,                  -- severity → name → count; of a minute as a whole, in the row of its first set
    versions         json,                  -- in the order of time: [version, first, last] of what it judged without a break
    PRIMARY KEY (spacecraft_id, start, parameter_set_id)
) PARTITION BY RANGE (start);

CREATE TABLE app.roll_up_hour (LIKE app.roll_up_minute INCLUDING ALL) PARTITION BY RANGE (start);
ALTER TABLE app.roll_up_hour
    ALTER minima_at TYPE bigint[], ALTER maxima_at TYPE bigint[], ALTER lasts_at TYPE bigint[];

CREATE TABLE app.roll_up_day (LIKE app.roll_up_hour INCLUDING ALL) PARTITION BY RANGE (start);

-- Hours to which a snapshot was added after they were rolled up last, if they ever were. Whoever adds a snapshot adds the
-- hour in the same transaction; one that was added twice is there twice, so that nobody waits for a row of somebody else.
CREATE TABLE app.stale_hour (
    number        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hour          timestamptz NOT NULL CHECK (hour = date_trunc('hour', hour, 'UTC')),
    marked_at     timestamptz NOT NULL DEFAULT now(),
    spacecraft_id text COLLATE "C" NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX stale_hour_by_spacecraft ON app.stale_hour (spacecraft_id, hour);

-- Those that it is time to roll up: not while snapshots of that hour still come, for each pass reads the hour anew.
CREATE VIEW app.due_hour AS
SELECT number, hour, marked_at, spacecraft_id
FROM app.stale_hour LEFT JOIN app.reception USING (spacecraft_id)
WHERE (hour + interval '1 hour' <= last_timestamp AND marked_at < clock_timestamp() - interval '10 seconds')
    OR last_received_at IS NULL
    OR last_received_at < clock_timestamp() - interval '1 minute'
    OR marked_at < clock_timestamp() - interval '1 hour';

-- Who rolls up locks the row of its partition of the stream TELEMETRY, so that one at a time does, also in the moments
-- after a takeover.
CREATE TABLE app.roll_up_turn (partition smallint PRIMARY KEY CHECK (partition >= 0));
INSERT INTO app.roll_up_turn (partition) VALUES (0);

-- Has what is stored of a spacecraft between two times, both inclusive, rolled up anew: for whoever deletes or changes
-- snapshots by hand. Returns how many hours that are.
CREATE FUNCTION app.rebuild_roll_ups(
    spacecraft_id text, "from" timestamptz DEFAULT '1900-01-01Z', "to" timestamptz DEFAULT '2199-12-31 23:59:59Z'
) RETURNS bigint LANGUAGE sql SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
    WITH RECURSIVE reported (hour) AS (  -- one look into the index for each hour
        SELECT date_trunc('hour', min("timestamp")) FROM app.snapshot AS stored
        WHERE stored.spacecraft_id = rebuild_roll_ups.spacecraft_id
            AND "timestamp" BETWEEN date_trunc('hour', rebuild_roll_ups."from") AND rebuild_roll_ups."to"
        UNION ALL
        SELECT (
            SELECT date_trunc('hour', min("timestamp")) FROM app.snapshot AS stored
            WHERE stored.spacecraft_id = rebuild_roll_ups.spacecraft_id
                AND "timestamp" BETWEEN reported.hour + interval '1 hour' AND rebuild_roll_ups."to"
        )
        FROM reported WHERE hour IS NOT NULL
    ), rolled_up (hour) AS (
        SELECT date_trunc('hour', start) FROM app.roll_up_minute AS stored
        WHERE stored.spacecraft_id = rebuild_roll_ups.spacecraft_id
            AND start BETWEEN date_trunc('hour', rebuild_roll_ups."from") AND rebuild_roll_ups."to"
        UNION
        SELECT start FROM app.roll_up_hour AS stored
        WHERE stored.spacecraft_id = rebuild_roll_ups.spacecraft_id
            AND start BETWEEN date_trunc('hour', rebuild_roll_ups."from") AND rebuild_roll_ups."to"
        UNION
        SELECT start FROM app.roll_up_day AS stored
        WHERE stored.spacecraft_id = rebuild_roll_ups.spacecraft_id
            AND start BETWEEN date_trunc('day', rebuild_roll_ups."from") AND rebuild_roll_ups."to"
    ), marked AS (
        INSERT INTO app.stale_hour (spacecraft_id, hour)
        SELECT rebuild_roll_ups.spacecraft_id, hour FROM (SELECT hour FROM reported UNION SELECT hour FROM rolled_up) AS _
        WHERE hour IS NOT NULL
        RETURNING number
    )
    SELECT count(*) FROM marked
$$;
