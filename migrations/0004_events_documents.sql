-- What happened beside telemetry, what is written about it, and what of that is still to be published.

-- One row an event. Its id is unique over all spacecraft, so that an event has one name wherever it is spoken of.
CREATE TABLE app.event (
    id            text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$'),
    spacecraft_id text COLLATE "C" CHECK (spacecraft_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),  -- null: about no one
    "timestamp"   timestamptz NOT NULL CHECK ("timestamp" >= '1900-01-01Z' AND "timestamp" < '2200-01-01Z'),
    type          text NOT NULL CHECK (type IN ('ANOMALY', 'CONTACT_LOST', 'MODE_CHANGE', 'COMMAND_SENT', 'INFO',
                                                'CONFIG_CHANGED', 'DOCUMENT_PUBLISHED')),
    severity      text NOT NULL CHECK (severity IN ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL')),
    message       text NOT NULL CHECK (length(message) BETWEEN 1 AND 4096),
    metadata      json NOT NULL CHECK (json_typeof(metadata) = 'object')  -- json, not jsonb: answered as it was sent
);
CREATE INDEX event_by_time ON app.event (spacecraft_id, "timestamp", id);

CREATE TRIGGER event_is_history BEFORE UPDATE ON app.event
    FOR EACH ROW EXECUTE FUNCTION app.refuse_change();

-- Events that are not known to be published, written in the transaction that wrote the event. Numbers are drawn before
-- transactions commit, so a lower one may appear after a higher one is gone: rows go one by one, by number.
CREATE TABLE app.outbox (
    number   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id text COLLATE "C" NOT NULL UNIQUE REFERENCES app.event
);

-- Where the stream EVENTS ended when rows last left the outbox: what is doubtful lies past it.
ALTER TABLE app.position ADD COLUMN events_sequence bigint NOT NULL DEFAULT 0;

-- What is written down about missions. Searched in two ways, by words and by any part of the text.
--
-- Words are English ones: "battery" finds "batteries", and "the" is no reason to find anything. With 'simple' a
-- person would have to guess the form that the author used; what is no English word (a parameter's name, another
-- language) stands for itself or is stemmed the same way in the document and in the search, so it is found as well.
--
-- A tsvector holds at most 1 MB; of a body with more words than that, those that fit from its beginning are indexed.
-- What goes on for 100 characters without a space is cut there: the parser's time rises with the square of that length.
-- Declared immutable, as to_tsvector with a named configuration is.
CREATE FUNCTION app.document_words(title text, tags text[], body text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    head tsvector := setweight(to_tsvector('english', title), 'A')
                     || setweight(to_tsvector('english', array_to_string(tags, ' ')), 'B');
    cut  text := regexp_replace(body, '(\S{100})', '\1 ', 'g');
    size integer := length(cut);
BEGIN
    LOOP
        BEGIN
            RETURN head || setweight(to_tsvector('english', left(cut, size)), 'D');
        EXCEPTION WHEN program_limit_exceeded THEN
            size := size / 2;
        END;
    END LOOP;
END $$;

-- A text in lower case, by the rules of Unicode whatever the database's own locale is.
CREATE FUNCTION app.document_plain(title text, tags text[], body text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN lower((title || E'\n' || array_to_string(tags, E'\n') || E'\n' || body) COLLATE pg_catalog.pg_c_utf8);

-- The head, title and tags, is indexed by itself too: where more documents match than can be weighed, those that match
-- there are found first.
CREATE TABLE app.document (
    id            text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$' AND id <> 'search'),
    spacecraft_id text COLLATE "C" CHECK (spacecraft_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),  -- null: about no one
    title         text NOT NULL CHECK (length(title) BETWEEN 1 AND 512),
    category      text COLLATE "C" NOT NULL CHECK (length(category) BETWEEN 1 AND 128),
    tags          text[] NOT NULL CHECK (cardinality(tags) <= 100 AND array_position(tags, NULL) IS NULL),
    body          text NOT NULL CHECK (octet_length(body) <= 1000000),
    published_at  timestamptz NOT NULL,
    head_words    tsvector NOT NULL GENERATED ALWAYS AS (app.document_words(title, tags, '')) STORED,
    words         tsvector NOT NULL GENERATED ALWAYS AS (app.document_words(title, tags, body)) STORED,
    head_plain    text COLLATE pg_catalog.pg_c_utf8 NOT NULL
                  GENERATED ALWAYS AS (app.document_plain(title, tags, '')) STORED,
    plain         text COLLATE pg_catalog.pg_c_utf8 NOT NULL
                  GENERATED ALWAYS AS (app.document_plain(title, tags, body)) STORED
);
CREATE INDEX document_by_spacecraft ON app.document (spacecraft_id);
CREATE INDEX document_by_head_word ON app.document USING gin (head_words);
CREATE INDEX document_by_word ON app.document USING gin (words);

-- Any part of the text, by index where the server has pg_trgm and lets us have it; without, the search reads every
-- document. Whoever installs the extension later creates the same indexes by hand.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm') THEN
        CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA app;
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'pg_trgm may not be created: a search for a part of a text will read every document';
END $$;

DO $$
DECLARE
    home text := (SELECT extnamespace::regnamespace FROM pg_extension WHERE extname = 'pg_trgm');
BEGIN
    IF home IS NOT NULL THEN
        EXECUTE format('CREATE INDEX document_by_head_part ON app.document USING gin (head_plain %s.gin_trgm_ops)', home);
        EXECUTE format('CREATE INDEX document_by_part ON app.document USING gin (plain %s.gin_trgm_ops)', home);
    END IF;
END $$;
