"""Who shows which token: the tokens in force, kept in memory for seconds."""

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime

from missionops.domain import token
from missionops.domain.access import Caller
from missionops.errors import Unauthenticated, Unavailable
from missionops.store import tokens
from missionops.store.database import Database
from missionops.store.tokens import Bearer

FRESH = 3.0
"""Seconds after which the tokens in force are read again: so soon a revocation counts everywhere."""
GRACE = 60.0
"""Seconds for which they count while the database is away: in it nobody can revoke one, and telemetry need not wait."""
_PAUSE = 0.5
"""Seconds between two readings, however many unknown tokens are shown: strangers cost the database next to nothing."""
_TIME = 1.0
"""Seconds that one reading may take; the request that waits for it is to be answered in time, too."""

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
        shown = token.parse(text)
        if shown is None:
            raise _wrong()
        found = await self._found(shown.key)
        is_it = shown.matches(found.digest if found else _NO_DIGEST)
        if not found or not is_it or (found.expires_at is not None and found.expires_at <= datetime.now(UTC)):
            raise _wrong()
        return Caller(found.name, found.role, found.spacecraft)

    async def _found(self, key: str) -> Bearer | None:
        asked_at = _now()
        if asked_at - self._tried_at >= FRESH or key not in self._known:  # it may be a new one
            await self._read(asked_at)
        found = self._known.get(key)
        if self._read_at < asked_at - GRACE or (found is None and self._read_at < asked_at):
            raise Unavailable("The database is away, and with it who may do what; try again later.")
        return found

    async def _read(self, since: float) -> None:
        """Read them, unless somebody has since; what is known stays if that fails."""
        async with self._reading:
            if self._tried_at >= since:
                return
            await asyncio.sleep(self._tried_at + _PAUSE - _now())
            self._tried_at = begun_at = _now()
            with contextlib.suppress(Unavailable, TimeoutError):  # health says so
                async with asyncio.timeout(_TIME), self._database.transaction() as connection:
                    self._known = await tokens.in_force(connection)
                self._read_at = begun_at


def _wrong() -> Unauthenticated:
    return Unauthenticated("This token is not valid: it is unknown, has expired or was revoked.")


def _now() -> float:
    return asyncio.get_running_loop().time()
