-- Searches too short for trigrams, and those for signs: by the pairs of characters that a text holds.
--
-- pg_trgm knows runs of three letters or digits; for "5V", "%" or "<->" it has nothing to look up, and every document
-- was read. A pair is one number, a single character a pair with nothing. Two pairs may have the same number, so
-- whoever looks one up looks at the text as well. Taking a text apart takes a second for each million characters, so
-- of a longer one the first 200,000 are: hardly any pair is in the rest alone.
CREATE FUNCTION app.document_pairs(plain text) RETURNS integer[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN ARRAY(
    WITH pairs AS MATERIALIZED (
        SELECT DISTINCT ascii(sign) % 65536 * 16384 + coalesce(ascii(next) % 16384, 0) AS pair
        FROM (SELECT string_to_array(left(plain, 200000), NULL) AS signs) AS _, unnest(signs, signs[2:]) AS __ (sign, next)
    )
    SELECT pair FROM pairs UNION SELECT pair / 16384 * 16384 FROM pairs
);

ALTER TABLE app.document
    ADD COLUMN head_pairs integer[] NOT NULL
        GENERATED ALWAYS AS (app.document_pairs(app.document_plain(title, tags, ''))) STORED,
    ADD COLUMN pairs integer[] NOT NULL
        GENERATED ALWAYS AS (app.document_pairs(app.document_plain(title, tags, body))) STORED;
CREATE INDEX document_by_head_pair ON app.document USING gin (head_pairs);
CREATE INDEX document_by_pair ON app.document USING gin (pairs);

-- Words, too, are those of the beginning: of hyphens and the like a long text has so many that finding them takes longer
-- than an answer may. 400,000 characters are a hundred pages and more; a part of the text is found wherever it stands.
CREATE OR REPLACE FUNCTION app.document_words(title text, tags text[], body text) RETURNS tsvector
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
