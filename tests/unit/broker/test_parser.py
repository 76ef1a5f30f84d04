"""What a server of NATS sends, in whatever pieces it comes: the same messages, in the same order, to the same place."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.errors import ProtocolError

from missionops.broker.parser import Parser

SAID = (
    b'INFO {"server_id":"x y","headers":true}\r\n'
    b"PING\r\n"
    b"MSG telemetry.SC-1 1 5\r\nhello\r\n"
    b"+OK\r\n"
    b"MSG a.b\x0bc 2 _INBOX.x.1 0\r\n\r\n"
    b"HMSG anomalies.SC-1 1 12 17\r\nNATS/1.0\r\n\r\n\r\nMSG\r\n"
    b"HMSG p.0.SC-2 7 $JS.ACK.T.c.1.2.3.4.5 12 16\r\nNATS/1.0\r\n\r\nbody\r\n"
    b"MSG p.0.SC-3 7 $JS.ACK.T.c.1.3.4.5.6 4\r\n\r\n\r\n\r\n"
    b"PONG\r\n"
    b"-ERR 'Permissions Violation for Publish to \"x y\"'\r\n"
)
HEARD = [
    ("info", {"server_id": "x y", "headers": True}),
    ("ping",),
    ("message", 1, b"telemetry.SC-1", b"", b"hello", b""),
    ("message", 2, b"a.b\x0bc", b"_INBOX.x.1", b"", b""),
    ("message", 1, b"anomalies.SC-1", b"", b"\r\nMSG", b"NATS/1.0\r\n\r\n"),
    ("sink", b"p.0.SC-2", b"$JS.ACK.T.c.1.2.3.4.5", b"NATS/1.0\r\n\r\n", b"body"),
    ("sink", b"p.0.SC-3", b"$JS.ACK.T.c.1.3.4.5.6", None, b"\r\n\r\n"),
    ("pong",),
    ("error", "'permissions violation for publish to \"x y\"'"),
]


class Ear:
    """Where a client would be: notes what it is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.parser = Parser(self)  # type: ignore[arg-type]
        self.parser.sinks[b"7"] = lambda *said: self.heard.append(("sink", *said))

    async def _process_info(self, info: Any) -> None:
        self.heard.append(("info", info))

    async def _process_ping(self) -> None:
        self.heard.append(("ping",))

    async def _process_pong(self) -> None:
        self.heard.append(("pong",))

    async def _process_err(self, said: str) -> None:
        self.heard.append(("error", said))

    async def _process_msg(self, *said: Any) -> None:
        self.heard.append(("message", *said))


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cuts), len(data)]
    return [data[begin:end] for begin, end in itertools.pairwise(places)]


@given(st.lists(st.integers(0, len(SAID)), max_size=40))
async def test_the_same_is_heard_however_it_is_cut(cuts):
    ear = Ear()
    for piece in pieces(SAID, cuts):
        await ear.parser.parse(piece)
    assert ear.heard == HEARD


async def test_the_same_is_heard_byte_by_byte():
    ear = Ear()
    for piece in pieces(SAID, list(range(len(SAID)))):
        await ear.parser.parse(piece)
    assert ear.heard == HEARD


async def test_what_was_begun_on_a_lost_connection_is_forgotten():
    ear = Ear()
    await ear.parser.parse(b"MSG a 1 100\r\nhalf of")
    ear.parser.reset()
    await ear.parser.parse(b"PING\r\n")
    assert ear.heard == [("ping",)]


async def test_what_comes_after_a_reset_in_the_same_piece_is_not_heard():
    ear = Ear()

    async def reset(_: str) -> None:
        ear.parser.reset()

    ear._process_err = reset  # type: ignore[method-assign, assignment]
    await ear.parser.parse(b"PING\r\n-ERR 'Stale Connection'\r\nPING\r\nMSG a 1 100\r\nhal")
    await ear.parser.parse(b"PONG\r\n")
    assert ear.heard == [("ping",), ("pong",)]


@pytest.mark.parametrize("said", [b"HTTP/1.1 400\r\n", b"MSG a 1 five\r\n", b"MSG 5\r\n", b"HMSG a 1 5\r\n"])
async def test_what_no_server_says_is_refused(said):
    with pytest.raises(ProtocolError):
        await Ear().parser.parse(said)


async def test_a_line_without_an_end_is_refused():
    parser = Ear().parser
    await parser.parse(b"x" * 60_000)
    with pytest.raises(ProtocolError):
        await parser.parse(b"x" * 60_000)


async def test_a_large_message_is_put_together():
    ear, body = Ear(), b"\r\n" * 500_000
    whole = b"MSG a 1 %d\r\n%b\r\nPING\r\n" % (len(body), body)
    for piece in pieces(whole, list(range(0, len(whole), 32_768))):
        await ear.parser.parse(piece)
    assert ear.heard == [("message", 1, b"a", b"", body, b""), ("ping",)]
