"""What can be asked of the service: one function a verb, and the table of them at the end."""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from missionops import config
from missionops.database import Database
from missionops.domain import spacecraft
from missionops.errors import Detail, InvalidRequest, NotFound
from missionops.store import configs


class Request(NamedTuple):
    """What was asked, whichever way it came in."""

    spacecraft_id: str
    body: bytes
    headers: Mapping[str, str]


async def get_config(database: Database, request: Request) -> bytes:
    """The config in force."""
    _refuse_body(request)
    async with database.transaction() as connection:
        found = await configs.in_force(connection, request.spacecraft_id)
    if found is None:
        raise NotFound("Config not found")
    return config.reply(found)


async def set_config(database: Database, request: Request) -> bytes:
    """Put a new version in force: what is published after the reply is judged by it."""
    document = config.read(request.body)
    source = request.headers.get("missionops-source") or "manual"
    async with database.transaction() as connection:
        put = await configs.put(connection, request.spacecraft_id, document, source)
    return config.reply(put)


def _refuse_body(request: Request) -> None:
    if request.body.strip() not in {b"", b"{}"}:
        raise InvalidRequest("This request takes no fields", (Detail("body", "must be empty or {}"),))


class Operation(NamedTuple):
    """One verb: how it is asked for and who answers."""

    name: str
    subject: str
    """`*` stands for the spacecraft's id."""
    answer: Callable[[Database, Request], Awaitable[bytes]]


OPERATIONS = (
    Operation("config-get", "missionops.config.get.*", get_config),
    Operation("config-set", "missionops.config.set.*", set_config),
)


async def perform(operation: Operation, database: Database, request: Request) -> bytes:
    """The answer of `operation`, or what it refuses."""
    if not spacecraft.is_id(request.spacecraft_id):
        raise InvalidRequest(
            f"{request.spacecraft_id!r} is no spacecraft id",
            (Detail("spacecraftId", f"must be {spacecraft.ID_RULE}"),),
        )
    return await operation.answer(database, request)
