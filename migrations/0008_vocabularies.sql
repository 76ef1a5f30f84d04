-- Names of parameters that come again and again, as one row for each spacecraft instead of one for each name.

-- Names that came together, for all who report them.
CREATE TABLE app.vocabulary (
    digest bytea PRIMARY KEY CHECK (length(digest) = 16),  -- of the names
    names  text[] NOT NULL
);

-- Whose telemetry brought them. Its vocabulary is no foreign key: the batch before may have written it and not be
-- committed yet, in which case neither is this one.
CREATE TABLE app.spacecraft_vocabulary (
    spacecraft_id text COLLATE "C" NOT NULL,
    digest        bytea NOT NULL CHECK (length(digest) = 16),
    PRIMARY KEY (spacecraft_id, digest)
);

-- What has no vocabulary yet stays in app.parameter.
