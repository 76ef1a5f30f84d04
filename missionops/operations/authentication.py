"""Authentication: which caller a token belongs to. The tokens in force are kept in memory for seconds."""

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
"""Seconds after which the tokens in force are read again: a revoked token is refused everywhere after as many."""
GRACE = 60.0
"""Seconds for which known tokens are accepted while the database cannot be reached: nobody can revoke one then."""
_PAUSE = 0.5
"""The least seconds between two readings, however many requests come with unknown tokens."""
_TIME = 1.0
"""Seconds that one reading may take: the request that waits for it has to be answered in time."""

_NO_DIGEST = bytes(32)


class Tokens:
    """All tokens in force. A request reads them again if they were read too long ago; only one does so at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: Mapping[str, Bearer] = {}
        self._read_at = self._tried_at = -GRACE
        self._reading = asyncio.Lock()

    async def caller(self, text: str) -> Caller:
        """The caller with this token; Unauthenticated if it is not valid, Unavailable if it cannot be checked."""
        shown = token.parse(text)
        if shown is None:
            raise _wrong()
        asked_at = _now()
        if asked_at - self._tried_at >= FRESH or shown.key not in self._known:  # the token may be a new one
            await self._read(asked_at)
        found = self._known.get(shown.key)
        if self._read_at < asked_at - GRACE or (found is None and self._read_at < asked_at):
            raise Unavailable("The token cannot be checked, because the database cannot be reached; try again later.")
        matches = shown.matches(found.digest if found else _NO_DIGEST)
        if not found or not matches or (found.expires_at is not None and found.expires_at <= datetime.now(UTC)):
            raise _wrong()
        return Caller(found.name, found.role, found.spacecraft)

    async def _read(self, since: float) -> None:
        """Read the tokens, unless another request has done so since; if that fails, the known ones stay."""
        async with self._reading:
            if self._tried_at >= since:
                return
            await asyncio.sleep(self._tried_at + _PAUSE - _now())
            self._tried_at = begun_at = _now()
            with contextlib.suppress(Unavailable, TimeoutError):  # the health reports it
                async with asyncio.timeout(_TIME), self._database.transaction() as connection:
                    self._known = await tokens.in_force(connection)
                self._read_at = begun_at


def _wrong() -> Unauthenticated:
    return Unauthenticated("This token is not valid: it is unknown, has expired or was revoked.")


def _now() -> float:
    return asyncio.get_running_loop().time()
