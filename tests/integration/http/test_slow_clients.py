"""A client that is slow, silent or too long-winded does not keep its connection."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from missionops.app import Service
from missionops.http import protocol
from tests.wait import PATIENCE

REQUEST = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(protocol, "READ_SECONDS", 0.3)


@asynccontextmanager
async def connected(service: Service) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    port = urlsplit(service.http_url).port
    with socket.socket() as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.connect(("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=plain, limit=1024)
        try:
            yield reader, writer
        finally:
            writer.close()


async def answered(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    await reader.readexactly(length)


async def drip(writer: asyncio.StreamWriter, text: bytes) -> None:
    for byte in text:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.05)


async def nothing(_: asyncio.StreamWriter) -> None:
    """Says nothing at all."""


async def slowly(writer: asyncio.StreamWriter) -> None:
    await drip(writer, REQUEST)


@pytest.mark.parametrize(("says", "before"), [(nothing, 0), (slowly, 0), (slowly, 2)])
async def test_a_head_that_does_not_come_ends_the_connection(
    service: Service, says: Callable[[asyncio.StreamWriter], Coroutine[Any, Any, None]], before: int
):
    async with connected(service) as (reader, writer):
        for _ in range(before):
            writer.write(REQUEST)
            await answered(reader)
        speaking = asyncio.create_task(says(writer))
        async with asyncio.timeout(PATIENCE):
            assert await reader.read() == b""
        speaking.cancel()


async def test_one_who_takes_his_time_between_requests_is_served(service: Service):
    async with connected(service) as (reader, writer):
        for _ in range(3):
            writer.write(REQUEST)
            await answered(reader)
            await asyncio.sleep(0.4)  # longer than a head may take, shorter than a connection is kept


async def test_requests_sent_ahead_are_all_answered(service: Service):
    async with connected(service) as (reader, writer):
        writer.write(REQUEST * 20)
        for _ in range(20):
            await answered(reader)


@pytest.mark.parametrize("extra", [b"X-Long: " + b"a" * 20_000, b"\r\n".join(b"X-%d: a" % n for n in range(3_000))])
async def test_too_long_a_head_is_refused_before_it_ends(service: Service, extra: bytes):
    async with connected(service) as (reader, writer):
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n" + extra)
        async with asyncio.timeout(PATIENCE):
            assert (await reader.readline()).split()[1] in {b"400", b"431"}


async def test_one_who_does_not_read_is_cut_off(service: Service):
    async with connected(service) as (reader, writer):
        writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 400)
        await asyncio.sleep(1.5)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await all_answered(reader, 400)


async def all_answered(reader: asyncio.StreamReader, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        for _ in range(count):
            await answered(reader)
