"""HTTP under clients that flood, forge, stall or contradict themselves: others are answered, and nothing breaks."""

import asyncio
import base64
import contextlib
import json
import resource
import socket
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import asyncpg
import nats
import pytest
from nats.aio.client import Client

from tests.system import installed
from tests.system.installed import Place, Up
from tests.wait import until

HEAD = b"GET /spacecraft HTTP/1.1\r\n"
POST = b"POST /telemetry HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
BODY = POST + b"Content-Length: 100\r\n\r\n{"
AT = "2025-01-01T00:00:00Z"
MEGABYTES = 150


def address(http: str) -> tuple[str, int]:
    parts = urlsplit(http)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


@contextlib.contextmanager
def held(http: str, count: int, said: bytes, receive_buffer: int | None = None) -> Iterator[list[socket.socket]]:
    """Connections that say something and then nothing more."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(count):
            connection = stack.enter_context(socket.socket())
            if receive_buffer:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            connection.settimeout(20)
            connection.connect(address(http))
            connection.sendall(said)
            found.append(connection)
        yield found


@pytest.fixture
def _many_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < 4096:
        pytest.skip("this process may not open enough connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 4096), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("_many_files")
@pytest.mark.parametrize("said", [HEAD, BODY, b""], ids=["half-open heads", "one-byte bodies", "nothing"])
def test_it_is_alive_while_connections_are_held(place: Place, said: bytes) -> None:
    up = place.up("--ephemeral")
    with held(up.http, 1_000, said):
        for _ in range(5):
            begun = time.monotonic()
            assert installed.get(f"{up.http}/health/live") == (200, {"status": "live"})
            assert installed.get(f"{up.http}/health/ready")[0] == 200
            assert installed.get(f"{up.http}/spacecraft")[0] == 200
            assert post(up.http, "/telemetry", {"spacecraftId": "S", "timestamp": AT, "parameters": {}}) == 201
            assert time.monotonic() - begun < installed.busy(3)
            with held(up.http, 100, said):
                assert installed.get(f"{up.http}/health/live")[0] == 200
    assert up.err.count("has sent nothing for longest") == 1
    assert up.stop().code == 0


def post(http: str, path: str, body: Any) -> int:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(http + path, json.dumps(body).encode(), headers)  # noqa: S310 - http on loopback
    with urllib.request.urlopen(request, timeout=20) as reply:  # noqa: S310 - likewise
        return int(reply.status)


@contextlib.asynccontextmanager
async def connected(up: Up) -> AsyncIterator[Client]:
    client = await nats.connect(up.nats)
    yield client
    await client.close()


async def test_readers_who_do_not_read_cost_little_memory_and_nobody_his_answer(place: Place) -> None:
    up = place.up("--ephemeral")
    async with connected(up) as client:
        for start in range(0, 1_100, 55):
            snapshots = [
                {"timestamp": AT, "id": f"s{number}", "parameters": {"log": "x" * 8_000}}
                for number in range(start, start + 55)
            ]
            await client.jetstream().publish("telemetry.LARGE", json.dumps(snapshots).encode())
    until(lambda: installed.get(f"{up.http}/health/ready")[1]["ingest"]["stored"] == 1_100, "the snapshots")
    forget_peak(up.pid)
    large = b"GET /telemetry?spacecraftId=LARGE&limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with held(up.http, 40, large, receive_buffer=4_096):
        for _ in range(20):
            begun = time.monotonic()
            status, found = await asyncio.to_thread(installed.get, f"{up.http}/telemetry?spacecraftId=LARGE&limit=2")
            assert (status, len(found)) == (200, 2)
            assert time.monotonic() - begun < installed.busy(3)
            await asyncio.sleep(0.3)
        peak = peak_megabytes(up.pid)
    assert peak is None or peak < MEGABYTES
    url = f"{up.http}/telemetry?spacecraftId=LARGE&limit=1000"
    assert len((await asyncio.to_thread(installed.get, url))[1]) > 900  # whoever does read is answered as before
    assert "Traceback" not in up.err
    assert up.stop().code == 0


def forget_peak(pid: int) -> None:
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_megabytes(pid: int) -> float | None:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return None
    return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024


@pytest.mark.parametrize(
    "said",
    [
        POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
        b"GET /health/live HTTP/1.1\nHost: localhost\n\n",
        b"GET /health/live HTTP/1.1\r\nHost: localhost\nX: a\r\n\r\n",
    ],
    ids=["length and chunks", "chunks and length", "chunks in HTTP/1.0", "folded", "bare LF", "one bare LF"],
)
def test_a_request_that_can_be_read_in_two_ways_is_refused_and_the_connection_closed(up: Up, said: bytes) -> None:
    smuggled = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with held(up.http, 1, said + smuggled) as (connection,):
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "place_in_listing",
    [
        [AT, "\0"],
        ["2025-01-01T00:00:00", "a"],
        ["0001-01-01T00:00:00+23:59", "a"],
        ["9999-12-31T23:59:59-23:59", "a"],
        ["2200-01-01T00:00:00Z", "a"],
    ],
    ids=["U+0000", "no offset", "before year 1", "after year 9999", "after 2199"],
)
def test_a_forged_cursor_is_refused(up: Up, place_in_listing: Sequence[str]) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps(place_in_listing).encode()).decode()
    for path in ("/telemetry", "/events"):
        query = urlencode({"spacecraftId": "S", "cursor": cursor})
        status, answer = installed.get(f"{up.http}{path}?{query}")
        assert (status, answer["error"]["details"][0]["path"]) == (400, "cursor")
    assert "Traceback" not in up.err


def test_a_limit_is_an_integer(up: Up) -> None:
    status, answer = installed.get(f"{up.http}/telemetry?spacecraftId=S&limit=1.0")
    assert (status, answer["error"]["details"][0]["path"]) == (400, "limit")


async def test_a_request_that_waits_and_then_works_is_answered_in_five_seconds(place: Place) -> None:
    up = place.up("--ephemeral")
    database = await asyncpg.connect(up.database)

    async def ask(after: float) -> tuple[int, float]:
        await asyncio.sleep(after)  # so that the later ones wait for room first
        begun = time.monotonic()
        reader, writer = await asyncio.open_connection(*address(up.http))
        writer.write(b"GET /events?spacecraftId=S HTTP/1.1\r\nHost: localhost\r\n\r\n")
        status = int((await reader.readline()).split()[1])
        writer.close()
        return status, time.monotonic() - begun

    async with database.transaction():
        await database.execute("LOCK TABLE app.event IN ACCESS EXCLUSIVE MODE")
        answers = await asyncio.gather(*(ask(after) for after in (0.0, 2.0) for _ in range(30)))
    assert {status for status, _ in answers} == {503}
    assert max(seconds for _, seconds in answers) < installed.busy(5)
    assert max(seconds for _, seconds in answers[30:]) < max(seconds for _, seconds in answers[:30]) + 1.25
    await database.close()
    assert up.stop().code == 0


async def test_a_taken_document_id_says_nothing_of_its_spacecraft(place: Place) -> None:
    up = place.up("--ephemeral", MISSIONOPS_HTTP_AUTH="tokens")
    tokens = {}
    for spacecraft in ("SECRET", "MINE"):
        options = ("--role", "operator", "--spacecraft-id", spacecraft)
        made = place.run("tokens", "create", f"of-{spacecraft}", *options, MISSIONOPS_DATABASE_URL=up.database)
        tokens[spacecraft] = made.out.strip()

    def publish(spacecraft: str, **fields: Any) -> tuple[int, str]:
        body = json.dumps({"title": "t", "body": spacecraft, "id": "handbook", "spacecraftId": spacecraft} | fields)
        headers = f"Authorization: Bearer {tokens[spacecraft]}\r\nConnection: close\r\nContent-Length: {len(body)}"
        request = f"POST /docs HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n{body}".encode()
        with held(up.http, 1, request) as (connection,):
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        return int(answer.split()[1]), answer.partition(b"\r\n\r\n")[2].decode()

    assert publish("SECRET")[0] == 201
    told = {publish("MINE", overwrite=overwrite) for overwrite in (False, True)}
    assert len(told) == 1
    status, text = told.pop()
    assert (status, "handbook is taken" in text, "SECRET" in text) == (409, True, False)
    assert publish("SECRET", body="new", overwrite=True)[0] == 201
    assert up.stop().code == 0


async def test_questions_about_a_large_config_hold_up_no_telemetry_of_others(place: Place) -> None:
    up = place.up("--ephemeral")
    limits = {
        f"p{number}": {"critLow": -1.5, "warnLow": -1, "warnHigh": 40, "critHigh": 70} for number in range(10_000)
    }
    async with connected(up) as client, connected(up) as asking:
        await client.request("missionops.config.set.LARGE", json.dumps({"parameters": limits}).encode(), timeout=10)
        await client.request("missionops.config.set.OTHER", b'{"parameters":{"t":{"warnHigh":1}}}', timeout=10)
        anomalies = await client.subscribe("anomalies.OTHER")
        await client.flush()
        codes: list[str] = []
        enough = asyncio.Event()  # nats-py may swallow a cancellation that meets a reply

        async def ask(subject: str) -> None:
            while not enough.is_set():
                reply = await asking.request(subject, b"", timeout=10)
                codes.append((reply.headers or {}).get("Nats-Service-Error-Code", "200"))

        operations = ("spacecraft.status", "telemetry.analyze")
        askers = [asyncio.create_task(ask(f"missionops.{operations[n % 2]}.LARGE")) for n in range(64)]
        delays = []
        for second in range(20):
            begun = time.monotonic()
            body = b'{"timestamp":"2025-01-01T00:00:%02dZ","parameters":{"t":5}}' % second
            await client.jetstream().publish("telemetry.OTHER", body)
            await anomalies.next_msg(timeout=30)
            delays.append(time.monotonic() - begun)
        enough.set()
        await asyncio.gather(*askers)
    assert sorted(delays)[len(delays) // 2] < installed.busy(0.25), delays
    assert set(codes) == {"200"}
    assert up.stop().code == 0
