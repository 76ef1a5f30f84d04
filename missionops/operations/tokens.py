"""Tokens: created, listed and revoked by those who may write to the database, each change with its event."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from missionops.domain import access, identifier, token
from missionops.domain.access import Role
from missionops.domain.event import EventType
from missionops.domain.timestamp import Timestamp
from missionops.domain.token import Token
from missionops.errors import Conflict, NotFound
from missionops.operations import audit, request_parsing
from missionops.operations.request_parsing import refused
from missionops.store import tokens
from missionops.store.database import Connection
from missionops.store.tokens import NewToken, StoredToken

MOST = 1_000
"""Tokens in force at a time: the service keeps them in memory."""
MOST_SPACECRAFT = 1_000
"""Spacecraft that a token may be limited to."""


class Granted(msgspec.Struct, rename="camel"):
    """What a token lets its bearer do, and until when."""

    role: str
    spacecraft: list[str] | None
    """None: all, and what is about no one of them."""
    expires_at: Timestamp | None
    revoked_at: Timestamp | None


class Issued(NamedTuple):
    """A new token, which is shown this once."""

    token: Token
    stored: StoredToken


async def issue(
    connection: Connection,
    name: str,
    role: Role,
    spacecraft: Sequence[str] | None = None,
    expires_at: datetime | None = None,
) -> Issued:
    """Make a token, in the caller's transaction."""
    if not identifier.is_id(name):
        raise refused("name", f"must be {identifier.RULE}")
    if name in access.WITHOUT_TOKEN:
        raise refused("name", f"may not be {name}, the name in the audit of callers without a token")
    limited = None
    if spacecraft is not None:
        limited = sorted({request_parsing.spacecraft_id(spacecraft_id) for spacecraft_id in spacecraft})
        if not 1 <= len(limited) <= MOST_SPACECRAFT:
            raise refused("spacecraft", f"must be 1 to {MOST_SPACECRAFT} of them, or none at all for a token for all")
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise refused("expires", "must lie in the future")
    if await tokens.count(connection) >= MOST:
        raise Conflict(f"There are {MOST} tokens in force already: revoke some first")
    made = token.made(secrets.token_bytes(token.KEY_BYTES + token.SECRET_BYTES))
    stored = await tokens.add(connection, NewToken(name, made.key, made.digest, role, limited, expires_at))
    if stored is None:
        raise Conflict(f"There is or was a token {name}: choose another name, since the audit knows a token by it")
    await _record(connection, "token.create", f"Token {name} created ({role})", None, stored)
    return Issued(made, stored)


async def revoke(connection: Connection, name: str) -> bool:
    """Revoke a token for good, in the caller's transaction; False if it was revoked before."""
    revoked = await tokens.revoke(connection, name)
    if revoked is not None:
        before = revoked._replace(revoked_at=None)
        await _record(connection, "token.revoke", f"Token {name} revoked", before, revoked)
        return True
    if await tokens.get(connection, name) is None:
        raise NotFound(f"There is no token {name}: `missionops tokens list` shows those there are")
    return False


def granted(stored: StoredToken) -> Granted:
    """What a stored token lets its bearer do."""
    return Granted(stored.role, stored.spacecraft, stored.expires_at, stored.revoked_at)


async def _record(
    connection: Connection, action: str, message: str, before: StoredToken | None, after: StoredToken
) -> None:
    metadata = {
        "action": action,
        "by": f"database:{await tokens.user(connection)}",  # a colon no token's name has
        "token": after.name,
        **audit.between(before and granted(before), granted(after)),
    }
    at = after.revoked_at or after.created_at
    await audit.record(connection, audit.Change(EventType.INFO, None, at, message, metadata))
