-- What people are told of alarms, through the targets of the notify file.

-- How far a target has been told of an alarm by a route. What is due is sent once; a crash may repeat it.
CREATE TABLE app.notification (
    route       text COLLATE "C" NOT NULL,
    target      text COLLATE "C" NOT NULL,
    alarm_id    text COLLATE "C" NOT NULL REFERENCES app.alarm,
    revision    integer NOT NULL CHECK (revision > 0),  -- up to which the transitions of the alarm were followed
    since       timestamptz,            -- since when it has waited for somebody; null: it does not
    news_at     timestamptz,            -- since when there is something to tell; null: there is not
    told_level  smallint NOT NULL CHECK (told_level BETWEEN 0 AND 4),  -- the severity that was told; 0: nothing was
    told_end    text CHECK (told_end IN ('RETURNED', 'RETRACTED')),
    told_at     timestamptz,
    is_silenced boolean NOT NULL,       -- it ended while it was shelved or masked
    due         timestamptz,            -- when it is looked at again; null: when there is another transition
    PRIMARY KEY (alarm_id, route, target),
    CHECK (told_level = 0 OR told_at IS NOT NULL)
) WITH (fillfactor = 80);
CREATE INDEX notification_due ON app.notification (route, target, due) WHERE due IS NOT NULL;

-- Messages that are written and not known to be sent. A route has one for a target at most: what comes meanwhile is told
-- in the next.
CREATE TABLE app.notification_message (
    route           text COLLATE "C" NOT NULL,
    target          text COLLATE "C" NOT NULL,
    title           text NOT NULL,
    body            text NOT NULL,
    level           smallint NOT NULL CHECK (level BETWEEN 0 AND 4),  -- the highest severity that is not over
    alarms          integer NOT NULL CHECK (alarms > 0),              -- how many it is about
    written_at      timestamptz NOT NULL,
    attempts        integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_attempt_at timestamptz NOT NULL,  -- while one is made: when another instance may take its place
    trouble         text,                  -- why the last attempt failed; never an address
    PRIMARY KEY (route, target)
);

-- One row: whoever writes the tables above locks it.
CREATE TABLE app.notifier (
    is_only      boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    handled_at   timestamptz,            -- up to when ALARMS was taken in, at least; null: no instance has notified yet
    heartbeat_at timestamptz             -- when the last sign of life was sent
);
INSERT INTO app.notifier DEFAULT VALUES;
