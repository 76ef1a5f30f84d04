"""Which parameters each spacecraft has ever reported, as sets of names that spacecraft of one kind share."""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from missionops.store.database import Connection

_encode = msgspec.json.Encoder().encode

_DIGESTS = "SELECT spacecraft_id, digest FROM app.spacecraft_parameter_set WHERE spacecraft_id = ANY ($1::text[])"


async def digests(connection: Connection, spacecraft_ids: Collection[str]) -> dict[str, set[bytes]]:
    """The sets that are stored for each spacecraft, by their digests."""
    found: dict[str, set[bytes]] = {spacecraft_id: set() for spacecraft_id in spacecraft_ids}
    for spacecraft_id, digest in await connection.fetch(_DIGESTS, list(spacecraft_ids)):
        found[spacecraft_id].add(digest)
    return found


_NAMES = "SELECT digest, names FROM app.parameter_set WHERE digest = ANY ($1::bytea[])"


async def names(connection: Connection, wanted: Collection[bytes]) -> dict[bytes, list[str]]:
    """The names in these sets."""
    return dict(await connection.fetch(_NAMES, list(wanted)))  # type: ignore[arg-type] # a Record is a pair


# Names as one text: asyncpg takes longer to encode an array of them than the server to insert it.
_ADD = """
INSERT INTO app.parameter_set (digest, names)
SELECT digest, ARRAY(SELECT json_array_elements_text(names::json))
FROM unnest($1::bytea[], $2::text[]) AS _ (digest, names) ORDER BY digest
ON CONFLICT DO NOTHING
"""

_ADD_TO_SPACECRAFT = """
INSERT INTO app.spacecraft_parameter_set (spacecraft_id, digest)
SELECT * FROM unnest($1::text[], $2::bytea[]) AS _ (spacecraft_id, digest) ORDER BY spacecraft_id, digest
ON CONFLICT DO NOTHING
"""


async def add(
    connection: Connection, sets: Mapping[bytes, Iterable[str]], reported: Iterable[tuple[str, bytes]]
) -> None:
    """Store sets of names by their digests, and which spacecraft (spacecraft_id, digest) have reported them."""
    if sets:
        texts = [_encode(list(names)).decode() for names in sets.values()]
        await connection.execute(_ADD, list(sets), texts)
    await connection.execute(_ADD_TO_SPACECRAFT, *map(list, zip(*reported, strict=True)))


_REPORTED_NAMES = """
SELECT DISTINCT unnest(names) AS name FROM app.spacecraft_parameter_set JOIN app.parameter_set USING (digest)
WHERE spacecraft_id = $1 ORDER BY name
"""


async def reported_names(connection: Connection, spacecraft_id: str) -> list[str]:
    """Every parameter that a spacecraft has ever reported, up to 10,000, by name."""
    return [row[0] for row in await connection.fetch(_REPORTED_NAMES, spacecraft_id)]
