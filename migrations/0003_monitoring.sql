-- What a status needs and telemetry alone cannot tell at once.

-- When a spacecraft was last heard, to the minute: written seldom, read by status.
ALTER TABLE app.spacecraft ADD COLUMN heard_at timestamptz;

-- Which parameters a spacecraft has ever reported.
CREATE TABLE app.parameter (
    spacecraft_id text COLLATE "C" NOT NULL,
    name          text COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 256),
    PRIMARY KEY (spacecraft_id, name)
);
