-- Documents about missions. Searched in two ways, by words and by any part of the text.
--
-- Words are English ones: "battery" finds "batteries", and "the" is no reason to find anything. With 'simple' a
-- person would have to guess the form that the author used; what is no English word (a parameter's name, another
-- language) stands for itself or is stemmed the same way in the document and in the search, so it is found as well.
--
-- Words are those of the first 400,000 characters, which are a hundred pages and more: of hyphens and the like a long text
-- has so many that finding them takes longer than a response may. A tsvector holds at most 1 MB; of a body with more words
-- than that, those that fit from its beginning are indexed. What goes on for 100 characters without a space is cut there:
-- the parser's time rises with the square of that length. Declared immutable, as to_tsvector with a named configuration is.
CREATE FUNCTION app.document_words(title text, tags text[], body text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    head tsvector := setweight(to_tsvector('english', title), 'A')
                     || setweight(to_tsvector('english', array_to_string(tags, ' ')), 'B');
    cut  text := regexp_replace(left(body, 400000), '(\S{100})', '\1 ', 'g');
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

-- The pairs of characters that a text holds, for searches too short for trigrams, and those for signs: pg_trgm knows runs
-- of three letters or digits; for "5V", "%" or "<->" it has nothing to look up, and every document would be read.
--
-- A pair is one number, a single character a pair with nothing. Two pairs may have the same number, so a search by pairs
-- compares the text as well. Splitting a text takes a second for each million characters, so only the first 200,000 of a
-- longer one are split: hardly any pair is in the rest alone.
CREATE FUNCTION app.document_pairs(plain text) RETURNS integer[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN ARRAY(
    WITH pairs AS MATERIALIZED (
        SELECT DISTINCT ascii(sign) % 65536 * 16384 + coalesce(ascii(next) % 16384, 0) AS pair
        FROM (SELECT string_to_array(left(plain, 200000), NULL) AS signs) AS _, unnest(signs, signs[2:]) AS __ (sign, next)
    )
    SELECT pair FROM pairs UNION SELECT pair / 16384 * 16384 FROM pairs
);

-- The head, title and tags, is indexed by itself too: where more documents match than can be weighed, those that match
-- there are found first.
CREATE TABLE app.document (
    id            text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$' AND id <> 'search'),
    spacecraft_id text COLLATE "C" CHECK (spacecraft_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),  -- null: the whole fleet
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
                  GENERATED ALWAYS AS (app.document_plain(title, tags, body)) STORED,
    head_pairs    integer[] NOT NULL
                  GENERATED ALWAYS AS (app.document_pairs(app.document_plain(title, tags, ''))) STORED,
    pairs         integer[] NOT NULL
                  GENERATED ALWAYS AS (app.document_pairs(app.document_plain(title, tags, body))) STORED
);
CREATE INDEX document_by_spacecraft ON app.document (spacecraft_id);
CREATE INDEX document_by_head_word ON app.document USING gin (head_words);
CREATE INDEX document_by_word ON app.document USING gin (words);
CREATE INDEX document_by_head_pair ON app.document USING gin (head_pairs);
CREATE INDEX document_by_pair ON app.document USING gin (pairs);

-- Any part of the text, by index where the server has pg_trgm and this role may create it; without, the search reads every
-- document. If the extension is installed later, create the same two indexes by hand.
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
