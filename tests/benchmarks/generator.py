"""The load generator, a process of its own: prepares every body first, then publishes on a raw connection.

    python -m tests.benchmarks.generator URL WORKLOAD [RATE]

It says `ready`, waits for a line, publishes, and says as JSON when it began and ended, and with a rate, when it sent
each message. Without a rate it is as fast as the stream takes it: now and then a message asks for the stream's
acknowledgement, and only so many messages are under way that the stream's own queue (10,000) never refuses one.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from itertools import islice
from urllib.parse import urlsplit

from tests.benchmarks.workload import Workload

_INBOX = b"_INBOX.benchmark"
_CHUNK_MESSAGES = 500
_CHUNK_BYTES = 256 << 10
_CHUNKS_UNDER_WAY = 8
_TICK = 0.001


class Connection:
    """A NATS connection that does what is needed here and no more."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 4222))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self._socket.makefile("rb")
        self._lines.readline()  # INFO
        self.send(b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nSUB %b 1\r\n' % _INBOX)

    def send(self, data: bytes) -> None:
        """Write it all."""
        self._socket.sendall(data)

    def acknowledged(self) -> None:
        """Wait for one acknowledgement of the stream."""
        while line := self._lines.readline():
            if line.startswith(b"PING"):
                self.send(b"PONG\r\n")
            elif line.startswith((b"MSG", b"HMSG")):
                answer = self._lines.read(int(line.split()[-1]) + 2)
                if b'"error"' in answer:  # a refusal names a sequence too, 0
                    raise SystemExit(f"the stream refused telemetry: {answer!r}")
                return
            elif line.startswith(b"-ERR"):
                raise SystemExit(line.decode())
        raise SystemExit("the server is gone")


def frames(workload: Workload) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Each message as it is published: what comes before the reply subject, between it and the body, and the body."""
    bodies = workload.bodies()
    headers = b"" if workload.encoding == "json" else b"NATS/1.0\r\nContent-Type: application/msgpack\r\n\r\n"
    for number in workload.order():
        body = bodies[number]
        subject = f"{workload.subject}.{workload.place(number * workload.array)[0]} ".encode()
        if headers:
            sizes = b"%d %d\r\n" % (len(headers), len(headers) + len(body))
            yield b"HPUB " + subject, sizes, headers + body + b"\r\n"
        else:
            yield b"PUB " + subject, b"%d\r\n" % len(body), body + b"\r\n"


def chunks(workload: Workload) -> Iterator[bytes]:
    """Messages put together; the last of each asks for an acknowledgement."""
    chunk: list[bytes] = []
    size = 0
    last: tuple[bytes, bytes, bytes] | None = None
    for frame in frames(workload):
        if last and (len(chunk) >= _CHUNK_MESSAGES or size > _CHUNK_BYTES):
            yield b"".join([*chunk, last[0], _INBOX, b" ", last[1], last[2]])
            chunk, size = [], 0
        elif last:
            chunk.append(b"".join(last))
            size += len(chunk[-1])
        last = frame
    if last:
        yield b"".join([*chunk, last[0], _INBOX, b" ", last[1], last[2]])


def flood(connection: Connection, prepared: list[bytes]) -> list[float]:
    """As fast as the stream takes it; when each was sent is not told."""
    for number, chunk in enumerate(prepared):
        if number >= _CHUNKS_UNDER_WAY:
            connection.acknowledged()
        connection.send(chunk)
    for _ in prepared[-_CHUNKS_UNDER_WAY:]:
        connection.acknowledged()
    return []


def pace(connection: Connection, prepared: list[bytes], rate: float) -> list[float]:
    """So many a second, each when its time has come; when each was sent."""
    sent: list[float] = []
    rest = iter(prepared)
    begin = time.monotonic()
    while len(sent) < len(prepared):
        now = time.monotonic()
        if due := list(islice(rest, max(0, int((now - begin) * rate) + 1 - len(sent)))):
            connection.send(b"".join(due))
            sent += [now] * len(due)
        else:
            time.sleep(max(_TICK, min(begin + len(sent) / rate - now, 0.1)))
    return sent


def main() -> None:
    """One load, prepared, then published at a word."""
    url, workload, rate = sys.argv[1], Workload.from_json(sys.argv[2]), float(sys.argv[3]) if sys.argv[3:] else 0
    prepared = [b"".join(frame) for frame in frames(workload)] if rate else list(chunks(workload))
    connection = Connection(url)
    print("ready", flush=True)  # noqa: T201 - what the other process waits for
    sys.stdin.readline()
    began = time.monotonic()
    sent = pace(connection, prepared, rate) if rate else flood(connection, prepared)
    times = os.times()
    told = {"began": began, "ended": time.monotonic(), "sent": sent, "cpu": times.user + times.system}
    print(json.dumps(told), flush=True)  # noqa: T201 - likewise


if __name__ == "__main__":
    main()
