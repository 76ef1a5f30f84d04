-- Who set a config version, and why.

ALTER TABLE app.config
    ADD COLUMN recorded_by text CHECK (recorded_by <> ''),                   -- NULL for versions older than this column
    ADD COLUMN reason      text CHECK (length(reason) BETWEEN 1 AND 1024);  -- NULL where none was given
