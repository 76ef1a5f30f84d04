"""Documents in and out of their table, and the search for them."""

import re
from collections.abc import AsyncIterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import NamedTuple

from missionops.store import partitions
from missionops.store.database import Connection


class DocumentContent(NamedTuple):
    """What an author gives."""

    spacecraft_id: str | None
    title: str
    category: str
    tags: list[str]
    body: str


class Document(NamedTuple):
    """A published document."""

    id: str
    spacecraft_id: str | None
    title: str
    category: str
    tags: list[str]
    body: str
    published_at: datetime

    @property
    def content(self) -> DocumentContent:
        return DocumentContent(*self[1:6])


_ADD = """
INSERT INTO app.document (id, spacecraft_id, title, category, tags, body, published_at)
VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp())
ON CONFLICT DO NOTHING
RETURNING published_at
"""


async def add(connection: Connection, identifier: str, content: DocumentContent) -> datetime | None:
    """Add a document; returns when it was published, or None if a committed transaction has taken its id."""
    published_at: datetime | None = await connection.fetchval(_ADD, identifier, *content)
    return published_at


_REPLACE = """
UPDATE app.document
SET spacecraft_id = $2, title = $3, category = $4, tags = $5, body = $6, published_at = clock_timestamp()
WHERE id = $1
RETURNING published_at
"""


async def replace(connection: Connection, identifier: str, content: DocumentContent) -> datetime:
    """Replace a document that `lock` found."""
    published_at: datetime = await connection.fetchval(_REPLACE, identifier, *content)
    return published_at


_GET = "SELECT id, spacecraft_id, title, category, tags, body, published_at FROM app.document WHERE id = $1"

_LOCK = "SELECT id, spacecraft_id, title, category, tags, body, published_at FROM app.document WHERE id = $1 FOR UPDATE"


async def get(connection: Connection, identifier: str) -> Document | None:
    """One document."""
    row = await connection.fetchrow(_GET, identifier)
    return Document(*row) if row else None


async def lock(connection: Connection, identifier: str) -> Document | None:
    """One document, which no other transaction replaces before the caller's ends."""
    row = await connection.fetchrow(_LOCK, identifier)
    return Document(*row) if row else None


_QUERY = "plainto_tsquery('pg_catalog.english', $1)"  # all its words; nothing in it is an operator
_PAIRS = "app.document_pairs(lower($1 COLLATE pg_catalog.pg_c_utf8))"
_PATTERN = "lower($2 COLLATE pg_catalog.pg_c_utf8)"

_RANKED = 2_000
"""Matches of one kind that are ranked; others are not, so that a search takes no longer the more documents match."""

# The documents that match in one way, `%s`, each with its score.
# ts_rank counts a word in a title 1.0, in a tag 0.4 and in a body 0.1, roughly. A part of the title or of a tag counts
# too, less than a whole word there and more than one in the body; a part of a body makes a match and nothing more.
_MATCHING = f"""(
    SELECT id, octet_length(body) AS size, published_at,
        ts_rank(words, {_QUERY}) + CASE WHEN lower(title COLLATE pg_catalog.pg_c_utf8) LIKE {_PATTERN} THEN 0.3
                                        WHEN head_plain LIKE {_PATTERN} THEN 0.1 ELSE 0 END AS score
    FROM app.document
    WHERE %s AND ($3::text IS NULL OR spacecraft_id = $3) AND ($4::text IS NULL OR category = $4)
        AND ($6::text[] IS NULL OR spacecraft_id IS NULL OR spacecraft_id = ANY ($6))
        AND ($7::text IS NULL OR $7 = ANY (tags))
    LIMIT {_RANKED}
)"""  # noqa: S608 - our own words

# Each way to match has its own index. A document that matches in several ways has the same score in each, so UNION
# makes one row of it. The score is computed where a match is found: to join the matches to the table again for it takes
# five to ten times as long.
_WORDS = (f"head_words @@ {_QUERY}", f"words @@ {_QUERY}")
_PARTS = (f"head_plain LIKE {_PATTERN}", f"plain LIKE {_PATTERN}")
_SHORT_PARTS = (f"head_pairs @> {_PAIRS} AND {_PARTS[0]}", f"pairs @> {_PAIRS} AND {_PARTS[1]}")


def _search(*matches: str) -> str:
    """The query for the documents that match in one of these ways, best first."""
    return f"""
SELECT id, size FROM ({" UNION ".join(_MATCHING % match for match in matches)})
ORDER BY score DESC, published_at DESC, id
LIMIT $5
"""  # noqa: S608 - our own words


class SearchQueries(NamedTuple):
    """A search in two steps: a part of a body is the weakest match, and the most expensive to find.

    Where its letters occur in most documents it takes long, so it runs only if the first step finds too few.
    """

    best: str
    parts_of_bodies: str


# Their arguments: text, pattern, spacecraft_id, category, limit, the spacecraft that the caller is limited to, tag.
SEARCH = SearchQueries(_search(*_WORDS, _PARTS[0]), _search(_PARTS[1]))
# For a text without three letters or digits in a row, of which an index of trigrams finds nothing: by pairs of letters.
SHORT_SEARCH = SearchQueries(_search(*_WORDS, _SHORT_PARTS[0]), _search(_SHORT_PARTS[1]))

_HAS_TRIGRAM = re.compile(r"[^\W_]{3}")
"""What pg_trgm makes entries of: three letters or digits in a row."""


class FoundDocument(NamedTuple):
    """A document that a search found, and about how large it is."""

    id: str
    size: int


async def search(
    connection: Connection,
    text: str,
    spacecraft_id: str | None,
    category: str | None,
    limit: int,
    *,
    tag: str | None = None,
    within: AbstractSet[str] | None = None,
) -> list[FoundDocument]:
    """Documents that hold every word of `text`, or `text` itself as a part of theirs; best match first.

    `within` some spacecraft, only documents about one of them or about the whole fleet.
    """
    await connection.execute(partitions.PLAN_EACH)  # a plan for any search would be a bad one for most
    queries = SEARCH if _HAS_TRIGRAM.search(text) else SHORT_SEARCH
    arguments = text, pattern(text), spacecraft_id, category
    among = None if within is None else list(within)
    found = [FoundDocument(*row) for row in await connection.fetch(queries.best, *arguments, limit, among, tag)]
    if len(found) < limit:
        known = {name for name, _ in found}
        parts = await connection.fetch(queries.parts_of_bodies, *arguments, limit + len(found), among, tag)
        found += [FoundDocument(*row) for row in parts if row[0] not in known]
    return found[:limit]


_NEWEST = """
SELECT id, octet_length(body) FROM app.document
WHERE ($1::text IS NULL OR spacecraft_id = $1) AND ($2::text IS NULL OR category = $2)
    AND ($4::text[] IS NULL OR spacecraft_id IS NULL OR spacecraft_id = ANY ($4))
    AND ($5::text IS NULL OR $5 = ANY (tags))
ORDER BY published_at DESC, id LIMIT $3
"""


async def newest(
    connection: Connection,
    spacecraft_id: str | None,
    category: str | None,
    limit: int,
    *,
    tag: str | None = None,
    within: AbstractSet[str] | None = None,
) -> list[FoundDocument]:
    """The documents that were published last; `within` as in `search`."""
    among = None if within is None else list(within)
    arguments = spacecraft_id, category, limit, among, tag
    return [FoundDocument(*row) for row in await connection.fetch(_NEWEST, *arguments)]


def pattern(text: str) -> str:
    """What LIKE takes for `text` itself, anywhere."""
    for special in "\\%_":
        text = text.replace(special, f"\\{special}")
    return f"%{text}%"


_SOME = """
SELECT id, spacecraft_id, title, category, tags, body, published_at
FROM app.document JOIN unnest($1::text[]) WITH ORDINALITY AS wanted (id, number) USING (id)
ORDER BY number
"""


async def some(connection: Connection, identifiers: Sequence[str]) -> AsyncIterator[Document]:
    """These documents, in this order."""
    for row in await connection.fetch(_SOME, identifiers):
        yield Document(*row)
