"""The connection to NATS: what it outlives, and what ends it."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import nats.errors
import pytest

from missionops.broker import connection
from missionops.broker.client import GuardedClient
from missionops.embedded import nats as embedded
from missionops.settings import NatsAccess, read_access
from tests.wait import PATIENCE, until_async

ADMITTED = "authorization { user: missionops, password: secret }"
LOCKED_OUT = "authorization { user: missionops, password: changed }"


class Server:
    """nats-server with a configuration that changes while it is away."""

    def __init__(self, directory: Path) -> None:
        self._config = directory / "nats.conf"
        self._ports = directory
        self.port = -1

    async def start(self, more: str) -> None:
        self._config.write_text(f"listen: 127.0.0.1:{self.port}\n{more}\n")
        command = [str(embedded.find_binary()), "--config", str(self._config), "--ports_file_dir", str(self._ports)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)  # noqa: ASYNC220 - returns at once
        ports = self._ports / f"nats-server_{self._process.pid}.ports"
        await until_async(lambda: ports.exists() and '"]' in ports.read_text(), "the ports file of the server")
        self.port = int(ports.read_text().partition('"nats://127.0.0.1:')[2].partition('"')[0])

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)  # until it is

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
async def server(services: str, tmp_path: Path):
    if services != "embedded":
        pytest.skip("needs a server of its own to kill")
    server = Server(tmp_path)
    await server.start(ADMITTED)
    yield server
    server.kill()


def access(server: Server) -> NatsAccess:
    return read_access(nats_url=f"nats://missionops:secret@127.0.0.1:{server.port}")


async def test_a_server_that_comes_back_is_no_end_and_one_that_locks_us_out_is(server: Server):
    back, over = asyncio.Event(), asyncio.Queue[str]()
    made = connection.make(GuardedClient(), access(server), back.set, over.put_nowait)
    client = await connection.connect(made, asyncio.get_running_loop().create_future())
    server.kill()
    await server.start(ADMITTED)
    async with asyncio.timeout(PATIENCE):
        await back.wait()
    assert over.empty()
    server.kill()
    await server.start(LOCKED_OUT)
    async with asyncio.timeout(PATIENCE):
        assert "Authorization Violation" in await over.get()
        assert client._reconnection_task
        await asyncio.wait([client._reconnection_task])
    assert client._reconnection_task.exception()  # looked at, lest the loop complains when it is collected
    await client.close()


async def test_a_server_that_takes_us_for_faulty_ends_it_with_its_reason(server: Server):
    over = asyncio.Queue[str]()
    made = connection.make(GuardedClient(), access(server), lambda: None, over.put_nowait)
    client = await connection.connect(made, asyncio.get_running_loop().create_future())
    client._max_payload = 1 << 30
    await client.publish("anything", b"x" * (2 << 20))
    async with asyncio.timeout(PATIENCE):
        assert await over.get()
    await client.close()


async def test_an_answer_that_comes_when_nobody_waits_for_it_any_more_ends_nothing(server: Server):
    made = connection.make(GuardedClient(), access(server), lambda: None, lambda _: None)
    client = await connection.connect(made, asyncio.get_running_loop().create_future())
    heard = await client.subscribe("anything")
    server.pause()
    try:
        with pytest.raises(nats.errors.TimeoutError):
            await client.flush(0.1)  # type: ignore[arg-type] # it takes fractions
    finally:
        server.resume()
    await client.publish("anything", b"said")
    assert (await heard.next_msg(PATIENCE)).data == b"said"
    await made.stop()


async def test_a_silent_server_is_left_soon(server: Server):
    """nats-py waits 10 s for its answer, and then leaves the connection open."""
    made = connection.make(GuardedClient(), access(server), lambda: None, lambda _: None)
    client = await connection.connect(made, asyncio.get_running_loop().create_future())
    server.pause()
    try:
        async with asyncio.timeout(8):
            await made.stop()
    finally:
        server.resume()
    assert client.is_closed
