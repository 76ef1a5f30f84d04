"""The rights of the service on the embedded servers: the same as in production, from the same files."""

from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType

import asyncpg

SERVICE = "service"
"""The NATS user of the service."""
MIGRATOR = "mission_migrator"
APP = "mission_app"
READER = "mission_reader"
NO_PASSWORDS: Mapping[str, str] = MappingProxyType({})


def nats_users(password: str) -> str:
    """The part of nats-server's configuration with the users; a client without a user may do everything."""
    return f"""{_deployed("nats-roles.conf")}
authorization {{
  users: [
    {{ user: {SERVICE}, password: "{password}", permissions: $SERVICE_MAY }}
    {{ user: operator, password: "{password}", permissions: $OPERATOR_MAY }}
    {{ user: auditor, password: "{password}", permissions: $AUDITOR_MAY }}
    {{ user: people, password: "{password}" }}
  ]
}}
no_auth_user: people
"""


async def create_roles(dsn: str, passwords: Mapping[str, str] = NO_PASSWORDS) -> None:
    """Create the roles in a database, as its superuser, with passwords for `app`, `migrator` and `reader`."""
    given = {f"missionops.{role}_password": password for role, password in passwords.items()}
    connection = await asyncpg.connect(dsn, server_settings=given)
    try:
        await connection.execute(_deployed("postgres.sql"))
    finally:
        await connection.close()


def _deployed(name: str) -> str:
    return (resources.files("missionops") / "deploy" / name).read_text()
