"""Requests are taken apart in one way only, however they arrive."""

from itertools import pairwise

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from missionops.http.framing import StrictConnection

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
REFUSED = "refused"


def events(*pieces: bytes) -> list[str]:
    """What a connection makes of pieces of what was sent; data is joined."""
    connection = StrictConnection(16 << 10)
    found: list[str] = []
    for piece in pieces:
        connection.receive_data(piece)
        while True:
            try:
                event = connection.next_event()
            except h11.RemoteProtocolError:
                return [*found, REFUSED]
            if event is h11.NEED_DATA or event is h11.PAUSED:
                break
            name = type(event).__name__
            if not (name == "Data" and found[-1] == "Data"):
                found.append(name)
    return found


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (HEAD + b"\r\n", ["Request", "EndOfMessage"]),
        (HEAD + b"X: a b\t\r\nY:\r\n\r\n", ["Request", "EndOfMessage"]),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n\n\n\n", ["Request", "Data", "EndOfMessage"]),
        (CHUNKED + b"\r\n", ["Request", "Data", "EndOfMessage"]),
        (CHUNKED + b"A: b\r\n\r\n", ["Request", "Data", "EndOfMessage"]),
        (HEAD + b"X: a\r\n b\r\n\r\n", [REFUSED]),
        (HEAD + b"X: a\r\n\tb\r\n\r\n", [REFUSED]),
        (HEAD[:-2] + b"\n\r\n", [REFUSED]),
        (HEAD.replace(b"\r", b"") + b"\n", [REFUSED]),
        (HEAD + b"\n", [REFUSED]),
        (b"\r\n" + HEAD + b"\r\n", [REFUSED]),
        (CHUNKED + b"\n", ["Request", "Data", REFUSED]),
        (CHUNKED + b"A: b\n\n", ["Request", "Data", REFUSED]),
        (CHUNKED + b"A: b\r\n c\r\n\r\n", ["Request", "Data", REFUSED]),
        (CHUNKED.replace(b"Host", b"Content-Length: 6\r\nHost") + b"\r\n", [REFUSED]),
        (CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n", [REFUSED]),
        (CHUNKED.replace(b"1\r\na", b"1\na") + b"\r\n", ["Request", REFUSED]),
    ],
)
def test_as_one_piece_and_byte_by_byte(sent: bytes, expected: list[str]) -> None:
    assert events(sent) == expected
    assert events(*(bytes([byte]) for byte in sent)) == expected


@given(
    lines=st.lists(st.sampled_from([b"A: b", b" c", b"\tc", b"", b"\r", b"A: \nb", b"Transfer-Encoding: chunked"])),
    end=st.sampled_from([b"\r\n", b"\n"]),
    cuts=st.lists(st.integers(0, 200)),
)
def test_how_it_is_cut_makes_no_difference(lines: list[bytes], end: bytes, cuts: list[int]) -> None:
    sent = HEAD + end.join([*lines, b"", b""])
    places = sorted({min(cut, len(sent)) for cut in cuts} | {0, len(sent)})
    pieces = [sent[begin:stop] for begin, stop in pairwise(places)]
    assert events(*pieces) == events(sent)
