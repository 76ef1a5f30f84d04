"""Targets on loopback, a clock that a test moves, and notifiers on a real database."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiosmtpd.smtp import SMTP

from missionops import app
from missionops.app import Service
from missionops.domain.alarm import Alarm, AlarmMessage, Shelf, Told, Transition
from missionops.notifications import file as notify_file
from missionops.notifications.notifier import Notifier
from missionops.settings import Settings
from missionops.store import alarm_shelves, alarms
from missionops.store import database as databases
from missionops.store.alarm_shelves import ShelfKey
from missionops.store.database import Database
from tests import stored_alarms
from tests.wait import until_async

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECRET = "s3cret-token"  # noqa: S105 - what must be seen nowhere


class Hook:
    """A web server that takes what Apprise posts, and does with it what a test wants."""

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, Any]]] = []
        """The target, by the end of the path, and the message."""
        self.status: dict[str, int] = {}
        self.hanging: dict[str, asyncio.Event] = {}
        self.arrived = asyncio.Event()
        self.port = 0

    def address(self, name: str) -> str:
        return f"json://user:{SECRET}@127.0.0.1:{self.port}/{SECRET}/{name}?rto=60"

    def to(self, name: str) -> list[dict[str, Any]]:
        return [message for target, message in self.received if target == name]

    def titles(self, name: str = "ops") -> list[str]:
        return [message["title"] for message in self.to(name)]

    async def until(self, count: int, name: str = "ops") -> list[str]:
        await until_async(lambda: len(self.to(name)) >= count, f"{count} messages for {name}")
        return self.titles(name)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = head.split()[1].partition("?")[0]
            lengths = [
                line.partition(":")[2] for line in head.splitlines() if line.lower().startswith("content-length")
            ]
            body = json.loads(await reader.readexactly(int(lengths[0])))
            name = path.rpartition("/")[2]
            self.arrived.set()
            if hanging := self.hanging.get(name):
                await hanging.wait()
            status = self.status.get(name, 200)
            if status == 200:
                self.received.append((name, body))
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    found = Hook()
    server = await asyncio.start_server(found.handle, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    for hanging in found.hanging.values():
        hanging.set()
    server.close()


class Mailbox:
    """What an SMTP server has taken."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], str]] = []
        self.port = 0

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.mails.append((envelope.rcpt_tos, envelope.content.decode()))
        return "250 OK"


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    found = Mailbox()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(found), "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()


class Clock:
    """The time, which a test moves."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


class AlarmLife:
    """Alarms in the database, to which things happen at the time of the clock."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self.clock = clock

    async def raise_(self, **options: Any) -> Alarm:
        found = stored_alarms.alarm(found_at=self.clock.now, **options)
        await self._do(found, lambda: found.begin(self.clock.now), is_new=True)
        return found

    async def change(self, found: Alarm, how: Callable[[], Any]) -> None:
        """Do what `how` does, and tell what it returns."""
        await self._do(found, how)

    async def acknowledge(self, found: Alarm) -> None:
        await self._do(found, lambda: found.acknowledge("alice", self.clock.now, None))

    async def retract(self, found: Alarm) -> None:
        await self._do(found, lambda: [found.retract(None, self.clock.now)])

    async def shelve(self, found: Alarm, hours: float = 8) -> None:
        until = self.clock.now + timedelta(hours=hours)
        key = ShelfKey(found.spacecraft_id, is_whole=False, parameter=found.parameter, check="")
        async with self._database.transaction() as connection:
            await alarm_shelves.put(connection, key, self.clock.now, until, by="alice", reason="Test")
        found.shelf = Shelf("alice", until, "Test")
        await self._do(found, lambda: [found.tell(Transition.SHELVED, self.clock.now)])

    async def unshelve(self, found: Alarm) -> None:
        async with self._database.transaction() as connection:
            await connection.execute("DELETE FROM app.alarm_shelf")
        found.shelf = None
        await self._do(found, lambda: [found.tell(Transition.UNSHELVED, self.clock.now)])

    async def followed(self) -> list[int]:
        """The revisions up to which alarms were followed, by each target that may be told of one."""
        async with self._database.transaction() as connection:
            return [row[0] for row in await connection.fetch("SELECT revision FROM app.notification")]

    async def _do(self, found: Alarm, how: Callable[[], Any], *, is_new: bool = False) -> None:
        async with self._database.transaction() as connection:
            told: list[Told] = list(how())
            if is_new:
                await alarms.add(connection, 0, [found])
            await alarms.change(connection, [found])
            await alarms.tell(connection, told)


@pytest.fixture
async def pool(settings: Any) -> AsyncIterator[Database]:
    async with databases.opened(settings.database_url) as found:
        yield found


@pytest.fixture
def on(pool: Database, clock: Clock) -> AlarmLife:
    return AlarmLife(pool, clock)


class Turning(Notifier):
    """A notifier that works when a test says so."""

    connection: Any

    async def look(self) -> None:
        """Take in everything, write what is due, send what waits, and note what became of it."""
        await self.intake.catch_up()
        await self.tick()

    async def take_all(self, connection: Any) -> None:
        """Take in all transitions that there are, as they were published."""
        rows = await connection.fetch("SELECT message FROM app.alarm_transition ORDER BY number")
        await self.intake.take([msgspec.json.decode(row[0], type=AlarmMessage) for row in rows], self.now())

    async def tick(self) -> None:
        await self.turn(self.connection)
        while self._sending:
            await asyncio.wait(self._sending.values())
        await self.turn(self.connection)


Start = Callable[..., Awaitable[Turning]]


@pytest.fixture
async def start(pool: Database, clock: Clock, tmp_path: Path) -> AsyncIterator[Start]:
    """Makes notifiers with this file; each is an instance of its own."""
    opened = []

    async def start(content: str) -> Turning:
        path = tmp_path / "notify.toml"
        path.write_text(content)
        made = Turning(notify_file.read(path), pool, clock=clock)
        made.connection = await databases.connect(pool.dsn)
        opened.append(made.connection)
        return made

    yield start
    for connection in opened:
        await connection.close()


Serve = Callable[[str], AbstractAsyncContextManager[Service]]


@pytest.fixture
def serve(settings: Settings, tmp_path: Path) -> Serve:
    """Runs the service with this notify file."""

    @asynccontextmanager
    async def serve(content: str) -> AsyncIterator[Service]:
        path = tmp_path / "notify.toml"
        path.write_text(content)
        async with app.running(settings.model_copy(update={"notify_file": path})) as running:
            await running.until_ready()
            yield running

    return serve
