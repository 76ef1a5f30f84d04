"""Tokens in the database, as the commands create and show them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import msgspec

from missionops import errors, settings
from missionops.domain.access import Role
from missionops.domain.timestamp import Timestamp
from missionops.operations import tokens
from missionops.store import database, migrate
from missionops.store import tokens as stored_tokens
from missionops.store.database import Connection
from missionops.store.tokens import StoredToken

_FEW = 3


class Shown(msgspec.Struct, rename="camel"):
    """A token, as it is listed."""

    name: str
    role: str
    spacecraft: list[str] | None
    """None: all."""
    created_at: Timestamp
    expires_at: Timestamp | None
    revoked_at: Timestamp | None
    state: str

    def sentence(self) -> str:
        """One sentence about it."""
        end = f" until {self.until()} UTC" if self.expires_at else ""
        return f"Token {self.name}: {self.role} for {self.about()}{end}."

    def about(self) -> str:
        """The spacecraft that it is limited to."""
        if self.spacecraft is None:
            return "all spacecraft"
        more = f" and {len(self.spacecraft) - _FEW:,} more" if len(self.spacecraft) > _FEW else ""
        return ", ".join(self.spacecraft[:_FEW]) + more

    def until(self) -> str:
        """When it expires."""
        return f"{self.expires_at:%Y-%m-%d %H:%M:%S}" if self.expires_at else "never"


async def create(
    name: str, role: Role, spacecraft: Sequence[str] | None, expires_at: datetime | None
) -> tuple[str, Shown]:
    """Create a token: its text, which is shown only now, and its description."""
    async with _transaction() as connection:
        issued = await tokens.issue(connection, name, role, spacecraft, expires_at)
    return str(issued.token), _shown(issued.stored)


async def listed() -> list[Shown]:
    """All tokens ever created, by name."""
    async with _transaction() as connection:
        return [_shown(stored) for stored in await stored_tokens.every(connection)]


async def revoke(name: str) -> bool:
    """Revoke a token; False if it was revoked before."""
    async with _transaction() as connection:
        return await tokens.revoke(connection, name)


@asynccontextmanager
async def _transaction() -> AsyncIterator[Connection]:
    async with database.connected(settings.read().database_url) as connection:
        try:
            await migrate.check(connection)
            async with connection.transaction():
                yield connection
        except asyncpg.InsufficientPrivilegeError as error:
            raise errors.SetupError(
                f"PostgreSQL does not permit this to the user of MISSIONOPS_DATABASE_URL: {error}."
            ) from None


def _shown(stored: StoredToken) -> Shown:
    is_expired = stored.expires_at is not None and stored.expires_at <= datetime.now(UTC)
    return Shown(*stored, "revoked" if stored.revoked_at else "expired" if is_expired else "in force")
