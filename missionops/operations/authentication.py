"""Who shows which token: the tokens in force, kept in memory for seconds."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

from missionops.database import Database
from missionops.domain import bearer_token
from missionops.domain.access import Caller
from missionops.errors import Unauthenticated, Unavailable
from missionops.store import tokens
from missionops.store.tokens import Bearer

FRESH = 3.0
"""Seconds after which the tokens in force are read again: so soon a revocation counts everywhere."""
GRACE = 60.0
"""Seconds for which they count while the database is away: in it nobody can revoke one, and telemetry need not wait."""
_PAUSE = 0.5
"""Seconds between two readings, however many unknown tokens are shown: a stranger costs the database nothing."""
_TIME = 1.0
"""Seconds that one reading may take; the request that waits for it is to be answered in time, too."""

_WRONG = "This token is not valid: it is unknown, has expired or was revoked."
_NO_DIGEST = bytes(32)


class Tokens:
    """All tokens in force, read when somebody asks and they are old, never more than once at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: Mapping[str, Bearer] = {}
        self._read_at = self._tried_at = -GRACE
        self._reading = asyncio.Lock()

    async def caller(self, text: str) -> Caller:
        """Who shows this token; Unauthenticated if it does not count, Unavailable if nobody can know."""
        shown = bearer_token.parse(text)
        if shown is None:
            raise Unauthenticated(_WRONG)
        await self._refresh(FRESH)
        if shown.key not in self._known:
            await self._refresh(_PAUSE)  # it may be a new one
        found = self._known.get(shown.key)
        is_it = shown.matches(found.digest if found else _NO_DIGEST)
        if not is_it or found is None or (found.expires_at is not None and found.expires_at <= datetime.now(UTC)):
            raise Unauthenticated(_WRONG)
        return Caller(found.name, found.role, found.spacecraft)

    async def _refresh(self, max_age: float) -> None:
        """Read them if they are older; what is known stays good for a while if that fails."""
        if _now() - self._tried_at >= max_age:
            async with self._reading:
                if _now() - self._tried_at >= max_age:
                    await self._read()
        if _now() - self._read_at > GRACE:
            raise Unavailable("The database is away, and with it who may do what; try again later.")

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(_TIME), self._database.transaction() as connection:
                self._known = await tokens.in_force(connection)
            self._read_at = _now()
        except (Unavailable, TimeoutError):
            pass  # said by health, and by `_refresh` when it has lasted
        finally:
            self._tried_at = _now()


def _now() -> float:
    return asyncio.get_running_loop().time()
