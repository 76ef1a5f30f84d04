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
