-- Partitions of telemetry: months near the present, decades far from it, so that a snapshot with a wrong clock cannot
-- make thousands of them; and what an operator has dropped or detached is made anew where it is needed.

-- Which times have a partition. Only what is attached counts: a table that was detached takes no rows.
CREATE VIEW app.telemetry_partition AS
SELECT oid::regclass AS name,
       coalesce(substring(bounds FROM 'FROM \(''([^'']+)''\)')::timestamptz, '-infinity') AS first,  -- the first time,
       coalesce(substring(bounds FROM 'TO \(''([^'']+)''\)')::timestamptz, 'infinity') AS before,    -- and what follows
       is_detaching
FROM (
    SELECT child.oid, pg_get_expr(child.relpartbound, child.oid) AS bounds, inhdetachpending AS is_detaching
    FROM pg_catalog.pg_inherits JOIN pg_catalog.pg_class AS child ON child.oid = inhrelid
    WHERE inhparent = 'app.telemetry'::regclass
) AS _;

DROP FUNCTION app.ensure_telemetry_month(date);

-- Make what is missing of the partitions that hold these days, at most `most` of them; how many were made. The service
-- may not create tables; it may have these made. From 20 years back to two months ahead of this server's clock a
-- partition holds a month, else a decade, cut where others are already or months will be.
--
-- The lock needs the rights of the owner, so nobody who only reads can hold it; it waits for no reader, and no reader
-- or writer waits for it. Attaching an empty table does not stop writers, as CREATE TABLE … PARTITION OF would.
CREATE FUNCTION app.ensure_telemetry_partitions(days date[], most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
    months_first  CONSTANT timestamptz := date_trunc('month', now() - interval '20 years');
    months_before CONSTANT timestamptz := date_trunc('month', now()) + interval '3 months';
    made        integer := 0;
    missing     timestamptz[];
    is_locked   boolean := false;
    start       timestamptz;
    lower_bound timestamptz;
    upper_bound timestamptz;
    label       text;
    name        text;
    number      integer;
BEGIN
    IF EXISTS (SELECT FROM unnest(days) AS _ (wanted) WHERE wanted < '1900-01-01' OR wanted > '2199-12-31') THEN
        RAISE EXCEPTION 'telemetry is kept from 1900-01-01 to 2199-12-31' USING ERRCODE = 'check_violation';
    END IF;
    SELECT partition.name::text INTO name FROM app.telemetry_partition AS partition JOIN unnest(days) AS _ (wanted)
        ON partition.first < wanted + 1 AND partition.before > wanted WHERE is_detaching LIMIT 1;
    IF name IS NOT NULL THEN
        RAISE EXCEPTION 'the partition % is being detached, and takes no telemetry until that is finished', name
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    LOOP
        WITH partition AS MATERIALIZED (SELECT * FROM app.telemetry_partition),
        beginning (time) AS (  -- of a part of a day: its own, and where a partition ends within it
            SELECT wanted::timestamptz FROM unnest(days) AS _ (wanted)
            UNION SELECT before FROM unnest(days) AS _ (wanted) JOIN partition ON before > wanted AND before < wanted + 1
        )
        SELECT array_agg(time ORDER BY time) INTO missing FROM beginning
        WHERE NOT EXISTS (SELECT FROM partition WHERE time >= first AND time < before);
        IF missing IS NULL THEN
            RETURN 0;
        END IF;
        EXIT WHEN is_locked;
        LOCK TABLE ONLY app.telemetry IN SHARE UPDATE EXCLUSIVE MODE;
        is_locked := true;  -- now nobody else makes any: what was made meanwhile is seen in another look
    END LOOP;
    FOREACH start IN ARRAY missing LOOP
        EXIT WHEN made = most;
        CONTINUE WHEN start < upper_bound;  -- the one made last holds it
        IF start >= months_first AND start < months_before THEN
            lower_bound := date_trunc('month', start);
            upper_bound := lower_bound + interval '1 month';
            label := to_char(lower_bound, '"telemetry_"YYYY_MM');
        ELSE
            lower_bound := date_trunc('decade', start);
            upper_bound := lower_bound + interval '10 years';
            label := to_char(lower_bound, '"telemetry_"YYYY"s"');
            IF start < months_first THEN
                upper_bound := least(upper_bound, months_first);
            ELSE
                lower_bound := greatest(lower_bound, months_before);
            END IF;
        END IF;
        SELECT greatest(lower_bound, max(partition.before) FILTER (WHERE partition.before <= start)),
               least(upper_bound, min(partition.first) FILTER (WHERE partition.first > start))
            INTO lower_bound, upper_bound FROM app.telemetry_partition AS partition;
        name := label;
        number := 1;
        WHILE to_regclass(format('app.%I', name)) IS NOT NULL LOOP
            number := number + 1;
            name := label || '_' || number;
        END LOOP;
        EXECUTE format('CREATE TABLE app.%I (LIKE app.telemetry INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
        EXECUTE format('ALTER TABLE app.telemetry ATTACH PARTITION app.%I FOR VALUES FROM (%L) TO (%L)',
                       name, lower_bound, upper_bound);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
REVOKE ALL ON FUNCTION app.ensure_telemetry_partitions(date[], integer) FROM PUBLIC;

-- By which a standby knows, by its own clock, that the owner is gone: this server's clock may step back by hours.
ALTER TABLE app.position ADD COLUMN lease double precision NOT NULL DEFAULT 0;  -- seconds, as its owner has it
