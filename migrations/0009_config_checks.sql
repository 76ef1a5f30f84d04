-- Which versions of a config have which checks, so that whoever finds alarms needs no documents for that.

-- A check of a parameter, and the versions in a row that have it. Written with each version, where it differs from the one
-- before.
CREATE TABLE app.config_check (
    spacecraft_id   text COLLATE "C" NOT NULL,
    parameter       text COLLATE "C" NOT NULL,
    "check"         text COLLATE "C" NOT NULL CHECK ("check" IN ('LIMIT', 'STATE', 'CHANGE', 'STALE')),
    has_persistence boolean NOT NULL,  -- whether several samples may have to lie outside before they raise an alarm
    first_version   integer NOT NULL CHECK (first_version > 0),
    end_version     integer,           -- the first that does not have it any more; null: it is in force
    PRIMARY KEY (spacecraft_id, parameter, "check", first_version),
    CHECK (end_version > first_version)
);
CREATE UNIQUE INDEX config_check_in_force ON app.config_check (spacecraft_id, parameter, "check") WHERE end_version IS NULL;
CREATE INDEX config_check_beyond_one_snapshot ON app.config_check (spacecraft_id)
    WHERE has_persistence OR "check" IN ('CHANGE', 'STALE');

INSERT INTO app.config_check (spacecraft_id, parameter, "check", has_persistence, first_version, end_version)
WITH rule AS (
    SELECT spacecraft_id, version, key AS parameter, value
    FROM app.config CROSS JOIN json_each(document -> 'parameters')
    WHERE value -> 'off' IS NULL
), context AS (
    SELECT spacecraft_id, version, parameter, value::text LIKE '%"raise"%' AS has_persistence, value AS keys FROM rule
    UNION ALL
    SELECT spacecraft_id, version, parameter, rule.value::text LIKE '%"raise"%', one
    FROM rule CROSS JOIN json_array_elements(rule.value -> 'when') AS _ (one)
), checked AS (
    SELECT DISTINCT spacecraft_id, parameter, "check", has_persistence, version
    FROM context JOIN (VALUES
        ('LIMIT', 'severeLow'), ('LIMIT', 'critLow'), ('LIMIT', 'warnLow'), ('LIMIT', 'watchLow'), ('LIMIT', 'watchHigh'),
        ('LIMIT', 'warnHigh'), ('LIMIT', 'critHigh'), ('LIMIT', 'severeHigh'), ('STATE', 'states'), ('CHANGE', 'change'),
        ('STALE', 'staleAfter')
    ) AS kind ("check", key) ON keys ->> key IS NOT NULL
), in_a_row AS (  -- versions have no gaps
    SELECT *, version - row_number() OVER (
        PARTITION BY spacecraft_id, parameter, "check", has_persistence ORDER BY version
    ) AS row_of
    FROM checked
)
SELECT spacecraft_id, parameter, "check", has_persistence, min(version), nullif(max(version), config_version) + 1
FROM in_a_row JOIN app.spacecraft USING (spacecraft_id)
GROUP BY spacecraft_id, parameter, "check", has_persistence, row_of, config_version;
