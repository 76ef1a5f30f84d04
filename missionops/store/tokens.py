"""Tokens in and out of their table."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg

from missionops.domain.access import Role
from missionops.store.database import Connection


class NewToken(NamedTuple):
    """A token to be stored."""

    name: str
    key: str
    digest: bytes
    role: Role
    spacecraft: Sequence[str] | None
    expires_at: datetime | None


class StoredToken(NamedTuple):
    """A token, without its key and the digest of its secret."""

    name: str
    role: str
    spacecraft: list[str] | None
    """None: all."""
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


_ADD = """
INSERT INTO app.token (name, key, digest, role, spacecraft, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (name) DO NOTHING
RETURNING name, role, spacecraft, created_at, expires_at, revoked_at
"""


async def add(connection: Connection, new: NewToken) -> StoredToken | None:
    """Add a token; None if there is or was one with its name."""
    return _stored(await connection.fetchrow(_ADD, *new))


_REVOKE = """
UPDATE app.token SET revoked_at = clock_timestamp() WHERE name = $1 AND revoked_at IS NULL
RETURNING name, role, spacecraft, created_at, expires_at, revoked_at
"""


async def revoke(connection: Connection, name: str) -> StoredToken | None:
    """Revoke a token for good; None if there is none in force with this name."""
    return _stored(await connection.fetchrow(_REVOKE, name))


_GET = "SELECT name, role, spacecraft, created_at, expires_at, revoked_at FROM app.token WHERE name = $1"


async def get(connection: Connection, name: str) -> StoredToken | None:
    """One token, whether it is in force or not."""
    return _stored(await connection.fetchrow(_GET, name))


_ALL = "SELECT name, role, spacecraft, created_at, expires_at, revoked_at FROM app.token ORDER BY name"


async def every(connection: Connection) -> list[StoredToken]:
    """Every token that was ever created, by name."""
    return [StoredToken(*row) for row in await connection.fetch(_ALL)]


class Bearer(NamedTuple):
    """What authentication needs of a token."""

    name: str
    role: Role
    spacecraft: frozenset[str] | None
    digest: bytes
    expires_at: datetime | None


_IN_FORCE = """
SELECT key, name, role, spacecraft, digest, expires_at FROM app.token
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())
"""


async def in_force(connection: Connection) -> dict[str, Bearer]:
    """The tokens that are neither revoked nor expired, by their keys."""
    return {
        key: Bearer(name, Role(role), None if spacecraft is None else frozenset(spacecraft), digest, expires_at)
        for key, name, role, spacecraft, digest, expires_at in await connection.fetch(_IN_FORCE)
    }


_COUNT = """
SELECT count(*) FROM app.token WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())
"""


async def count(connection: Connection) -> int:
    """How many tokens are neither revoked nor expired."""
    return int(await connection.fetchval(_COUNT))


_USER = "SELECT session_user::text"


async def user(connection: Connection) -> str:
    """The database user of this connection."""
    return str(await connection.fetchval(_USER))


def _stored(row: asyncpg.Record | None) -> StoredToken | None:
    return StoredToken(*row) if row else None


_ANY_VALID = """
SELECT EXISTS (SELECT FROM app.token
               WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp()))
"""


async def is_any_valid(connection: Connection) -> bool:
    """Whether there is a token that is neither revoked nor expired."""
    return bool(await connection.fetchval(_ANY_VALID))
