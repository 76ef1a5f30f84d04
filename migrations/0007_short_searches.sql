-- Searches too short for trigrams, and those for signs: by the pairs of characters that a text holds.
--
-- pg_trgm knows runs of three letters or digits; for "5V", "%" or "<->" it has nothing to look up, and every document
-- was read. A pair is one number, a single character a pair with nothing. Two pairs may have the same number, so
-- whoever looks one up looks at the text as well.
CREATE FUNCTION app.document_pairs(plain text) RETURNS integer[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN ARRAY(
    SELECT DISTINCT pair FROM (
        SELECT ascii(sign) % 65536 * 16384 AS pair
        FROM unnest(string_to_array(plain, NULL)) AS sign
        UNION ALL
        SELECT ascii(sign) % 65536 * 16384 + ascii(next) % 16384
        FROM unnest(string_to_array(plain, NULL), string_to_array(substr(plain, 2), NULL)) AS _ (sign, next)
        WHERE next IS NOT NULL
    ) AS _
);

ALTER TABLE app.document
    ADD COLUMN head_pairs integer[] NOT NULL
        GENERATED ALWAYS AS (app.document_pairs(app.document_plain(title, tags, ''))) STORED,
    ADD COLUMN pairs integer[] NOT NULL
        GENERATED ALWAYS AS (app.document_pairs(app.document_plain(title, tags, body))) STORED;
CREATE INDEX document_by_head_pair ON app.document USING gin (head_pairs);
CREATE INDEX document_by_pair ON app.document USING gin (pairs);
