"""Which versions of a spacecraft's config have which checks."""

from collections.abc import Iterable
from typing import NamedTuple

from missionops.store.database import Connection


class ConfigCheck(NamedTuple):
    """A check that a version of a config has."""

    parameter: str
    check: str
    has_persistence: bool
    """Whether several samples may have to lie outside before they raise an alarm."""


_END = """
UPDATE app.config_check AS known SET end_version = $2
WHERE spacecraft_id = $1 AND end_version IS NULL AND NOT EXISTS (
    SELECT FROM unnest($3::text[], $4::text[], $5::boolean[]) AS given (parameter, "check", has_persistence)
    WHERE (given.parameter, given."check", given.has_persistence)
        = (known.parameter, known."check", known.has_persistence)
)
"""

_BEGIN = """
INSERT INTO app.config_check (spacecraft_id, parameter, "check", has_persistence, first_version)
SELECT $1, parameter, "check", has_persistence, $2
FROM unnest($3::text[], $4::text[], $5::boolean[]) AS given (parameter, "check", has_persistence)
ON CONFLICT (spacecraft_id, parameter, "check") WHERE end_version IS NULL DO NOTHING
"""


async def note(connection: Connection, spacecraft_id: str, version: int, checks: Iterable[ConfigCheck]) -> None:
    """Note the checks of a new version, which no later one has followed yet."""
    columns = [list(column) for column in zip(*checks, strict=True)] or [[], [], []]
    await connection.execute(_END, spacecraft_id, version, *columns)
    await connection.execute(_BEGIN, spacecraft_id, version, *columns)


class CheckSpan(NamedTuple):
    """Versions in a row that have a check."""

    parameter: str
    check: str
    first: int
    end: int | None
    """The first version that does not have it any more; None: it is in force."""


_ALL = 'SELECT parameter, "check", first_version, end_version FROM app.config_check WHERE spacecraft_id = $1'


async def spans(connection: Connection, spacecraft_id: str) -> list[CheckSpan]:
    """Every check that any version of a spacecraft's config has, with the versions."""
    return [CheckSpan(*row) for row in await connection.fetch(_ALL, spacecraft_id)]


_WITH_MEMORY = """
SELECT DISTINCT parameter, "check" FROM app.config_check WHERE spacecraft_id = $1 AND "check" IN ('CHANGE', 'STALE')
"""


async def with_memory(connection: Connection, spacecraft_id: str) -> set[tuple[str, str]]:
    """The parameters and checks of any version that every snapshot matters to, whichever version judged it."""
    return {(row[0], row[1]) for row in await connection.fetch(_WITH_MEMORY, spacecraft_id)}


_BEYOND_ONE_SNAPSHOT = """
SELECT DISTINCT parameter, "check" FROM app.config_check
WHERE spacecraft_id = $1 AND (has_persistence OR "check" IN ('CHANGE', 'STALE'))
"""


async def beyond_one_snapshot(connection: Connection, spacecraft_id: str) -> set[tuple[str, str]]:
    """Those, and the ones that may have counted samples and raised nothing."""
    return {(row[0], row[1]) for row in await connection.fetch(_BEYOND_ONE_SNAPSHOT, spacecraft_id)}
