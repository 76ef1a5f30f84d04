"""Where it is played: real servers as `missionops up` starts them, a fresh database each time, and the service."""

import asyncio
import contextlib
import json
import tempfile
import uuid
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from missionops.embedded import servers
from missionops.embedded.directory import DataDirectory
from missionops.embedded.servers import Servers
from missionops.store import migrate
from tests.benchmarks import process
from tests.benchmarks.workload import Workload

_TEMPLATE = "benchmark_template"
_POLL = 0.01
_AT_ONCE = 64


class Usage(NamedTuple):
    """CPU seconds so far, by process."""

    service: float
    nats: float
    postgres: float


class Service(NamedTuple):
    """`missionops serve`, ready."""

    pid: int
    dsn: str


class Stage:
    """Both servers, and what is done to them between two measurements."""

    def __init__(self, servers: Servers, client: Client) -> None:
        self.servers = servers
        self.client = client
        self.url = servers.nats_url

    @classmethod
    @asynccontextmanager
    async def opened(cls, directory: Path) -> AsyncIterator["Stage"]:
        """Servers in a directory that is removed afterwards."""
        tempfile.tempdir = str(directory)
        async with DataDirectory.ephemeral() as data, servers.running(data) as started:
            client = await nats.connect(started.nats_url)
            stage = cls(started, client)
            await stage.execute(f"CREATE DATABASE {_TEMPLATE}")
            await migrate.apply(started.postgres.dsn(_TEMPLATE))
            try:
                yield stage
            finally:
                await client.close()

    async def execute(self, sql: str) -> None:
        """As the superuser, in a database that is not measured."""
        connection = await asyncpg.connect(self.servers.postgres.dsn())
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """A migrated database for the time of a block, no stream, and nothing left to be written by others."""
        for stream in await self.client.jsm().streams_info():
            await self.client.jsm().delete_stream(stream.config.name or "")
        name = f"benchmark_{uuid.uuid4().hex}"
        await self.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        await self.execute("CHECKPOINT")
        try:
            yield self.servers.postgres.dsn(name)
        finally:
            await self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @asynccontextmanager
    async def service(self, dsn: str, command: Sequence[str] = (str(process.COMMAND),)) -> AsyncIterator[Service]:
        """The installed command on this database, or another that stands for it."""
        settings = process.environment(
            MISSIONOPS_NATS_URL=self.url,
            MISSIONOPS_DATABASE_URL=dsn,
            MISSIONOPS_HTTP_PORT="0",
            MISSIONOPS_TELEMETRY_MAX_BYTES=str(2 << 30),
        )
        with tempfile.NamedTemporaryFile(suffix=".log") as log:
            running = await asyncio.create_subprocess_exec(
                *command, "serve", env=settings, stdout=DEVNULL, stderr=log, cwd=process.ROOT
            )
            try:
                await _ready(running, Path(log.name))
                yield Service(running.pid, dsn)
            finally:
                await process.ended(running)

    def usage(self, service_pid: int) -> Usage:
        """CPU seconds until now."""
        nats_pid, postgres_pid = self.servers.nats.pid, self.servers.postgres.pid
        assert nats_pid
        assert postgres_pid
        return Usage(*map(process.cpu_seconds, (service_pid, nats_pid, postgres_pid)))

    async def request(self, subject: str, body: object = None) -> Any:
        """An answer of the service."""
        reply = await self.client.request(f"missionops.{subject}", json.dumps(body or {}).encode(), timeout=10)
        answer = json.loads(reply.data)
        if isinstance(answer, dict) and "error" in answer:
            raise RuntimeError(f"{subject}: {answer['error']}")
        return answer

    async def configure(self, workload: Workload) -> None:
        """Put the workload's rules in force for each of its spacecraft."""
        if not workload.rules:
            return
        slots = asyncio.Semaphore(_AT_ONCE)

        async def configure_one(spacecraft_id: str) -> None:
            async with slots:
                await self.request(f"config.set.{spacecraft_id}", workload.config)

        await asyncio.gather(*map(configure_one, workload.spacecraft_ids))

    async def last_sequence(self, stream: str) -> int:
        """Where a stream ends."""
        return int((await self.client.jsm().stream_info(stream)).state.last_seq)

    async def until_handled(self, stream: str = "TELEMETRY") -> None:
        """Until the stream's consumer has acknowledged all of it."""
        last = await self.last_sequence(stream)
        # The server is asked only when the last one was acknowledged: asking costs it what is measured.
        acknowledgements = await self.client.subscribe(f"$JS.ACK.{stream}.>")
        while await self._handled(stream) < last:
            with contextlib.suppress(nats.errors.TimeoutError):
                while _sequence(await acknowledgements.next_msg(timeout=1)) < last:
                    pass
        await acknowledgements.unsubscribe()

    async def _handled(self, stream: str) -> int:
        (consumer,) = await self.client.jsm().consumers_info(stream)
        return consumer.ack_floor.stream_seq if consumer.ack_floor else 0


def _sequence(acknowledgement: Msg) -> int:
    """Which message of the stream it is for (ADR-15)."""
    return int(acknowledgement.subject.split(".")[5])


async def _ready(running: asyncio.subprocess.Process, log: Path) -> None:
    while b"missionops serves" not in (said := log.read_bytes()):  # noqa: ASYNC240 - a few lines
        if running.returncode is not None:
            raise RuntimeError(said.decode())
        await asyncio.sleep(_POLL)
