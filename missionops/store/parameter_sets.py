"""Parameter sets in and out of their tables: names in order, and which spacecraft have which of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from missionops.domain import parameter_set
from missionops.domain.parameter_set import ParameterSet
from missionops.store.database import Connection

_MOST_NAMES = 200_000
"""In the sets that requests have read lately, of some 200 bytes each."""

_encode = msgspec.json.Encoder().encode

_OF_SPACECRAFT = """
SELECT spacecraft_id, parameter_set_id FROM app.spacecraft_parameter_set WHERE spacecraft_id = ANY ($1::text[])
"""


async def of_spacecraft(connection: Connection, spacecraft_ids: Collection[str]) -> dict[str, list[int]]:
    """The ids of the sets that each spacecraft has."""
    found: dict[str, list[int]] = {spacecraft_id: [] for spacecraft_id in spacecraft_ids}
    for spacecraft_id, identifier in await connection.fetch(_OF_SPACECRAFT, list(spacecraft_ids)):
        found[spacecraft_id].append(identifier)
    return found


_READ = "SELECT id, names FROM app.parameter_set WHERE id = ANY ($1::integer[])"


async def read(connection: Connection, identifiers: Collection[int]) -> dict[int, ParameterSet]:
    """These sets."""
    rows = await connection.fetch(_READ, list(identifiers))
    return {identifier: ParameterSet(identifier, names) for identifier, names in rows}


# Names as one text: asyncpg takes longer to encode an array of them than the server to insert it.
_CREATE = """
INSERT INTO app.parameter_set (digest, names)
SELECT digest, ARRAY(SELECT json_array_elements_text(names::json))
FROM unnest($1::bytea[], $2::text[]) AS _ (digest, names) ORDER BY digest
ON CONFLICT DO NOTHING
"""

_IDS = "SELECT digest, id FROM app.parameter_set WHERE digest = ANY ($1::bytea[])"


async def create(connection: Connection, wanted: Iterable[Sequence[str]]) -> list[ParameterSet]:
    """The sets of these names, each sorted, made where there is none yet, in the order that they are given in.

    On a connection that is not in a transaction: every transaction sees them then, and none waits for another's row. A
    set that nobody uses does no harm.
    """
    by_digest: Mapping[bytes, Sequence[str]] = {parameter_set.digest(names): names for names in wanted}
    await connection.execute(_CREATE, list(by_digest), [_encode(names).decode() for names in by_digest.values()])
    ids = {row["digest"]: row["id"] for row in await connection.fetch(_IDS, list(by_digest))}
    return [ParameterSet(ids[digest], names) for digest, names in by_digest.items()]


_ADD_TO_SPACECRAFT = """
INSERT INTO app.spacecraft_parameter_set (spacecraft_id, parameter_set_id)
SELECT * FROM unnest($1::text[], $2::integer[]) AS _ (spacecraft_id, parameter_set_id) ORDER BY 1, 2
ON CONFLICT DO NOTHING
"""


async def add_to_spacecraft(connection: Connection, pairs: Collection[tuple[str, int]]) -> None:
    """Note which spacecraft have which sets."""
    await connection.execute(_ADD_TO_SPACECRAFT, *map(list, zip(*pairs, strict=True)))


_REPORTED_NAMES = """
SELECT DISTINCT unnest(names) COLLATE "C" AS name
FROM app.spacecraft_parameter_set JOIN app.parameter_set ON id = parameter_set_id
WHERE spacecraft_id = $1 ORDER BY name
"""


async def reported_names(connection: Connection, spacecraft_id: str) -> list[str]:
    """Every parameter that a spacecraft has ever reported, up to 10,000, by name."""
    return [row[0] for row in await connection.fetch(_REPORTED_NAMES, spacecraft_id)]


class ParameterNames:
    """The names of sets for requests that read snapshots; a set never changes, so nothing here is ever out of date."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[str, ...]] = {}
        self._size = 0

    async def of(self, connection: Connection, identifier: int | None) -> tuple[str, ...]:
        """The names of a set, in the order of the numbers; none of no set."""
        if identifier is None:
            return ()
        if (found := self._kept.get(identifier)) is None:
            found = (await read(connection, [identifier]))[identifier].names
            self._kept[identifier] = found
            self._size += len(found)
            while self._size > _MOST_NAMES and len(self._kept) > 1:
                self._size -= len(self._kept.pop(next(iter(self._kept))))
        return found
