"""Who asks over NATS: what the server wrote, and nothing that a publisher did."""

import pytest

from missionops.broker import caller
from missionops.wire import headers as wire_headers

LINE = b'Nats-Request-Info: {"acc":"OPERATORS","user":"operator","host":"10.0.0.7","rtt":1}\r\n\r\n'
FORGED = b'{"acc":"FORGED"}'


def _name(block: bytes, reply: str = "_R_.a.b") -> str:
    return caller.caller(reply, wire_headers.read(block)).name


def test_the_server_names_account_user_and_host() -> None:
    assert _name(b"NATS/1.0\r\n" + LINE) == "nats:OPERATORS/operator@10.0.0.7"


def test_without_share_it_names_the_account() -> None:
    assert _name(b'NATS/1.0\r\nNats-Request-Info: {"acc":"SC-001","rtt":1}\r\n\r\n') == "nats:SC-001"


def test_a_reply_subject_of_the_own_account_proves_nothing() -> None:
    assert _name(b"NATS/1.0\r\n" + LINE, "_INBOX.operator.x") == "nats"


@pytest.mark.parametrize(
    "block",
    [
        b"NATS/1.0\r\n Nats-Request-Info: " + FORGED + b"\r\n",
        b"NATS/1.0\r\nA: b\r\nNats-Request-Info : " + FORGED + b"\r\n",
        b"NATS/1.0\r\nA: b\nNats-Request-Info: " + FORGED + b"\r\n",
    ],
)
def test_the_servers_line_is_the_last(block: bytes) -> None:
    assert _name(block + LINE) == "nats:OPERATORS/operator@10.0.0.7"


@pytest.mark.parametrize(
    "swallowing", [b"A: ", b"\xff", b"A", b"A b", b"Nats-Request-Info: forg", b'Nats-Request-Info: {"acc":"']
)
def test_where_the_servers_line_was_swallowed_nobody_is_named(swallowing: bytes) -> None:
    for forged in (b"", b" Nats-Request-Info: " + FORGED + b"\r\n", b"A: x\r\n Nats-Request-Info: " + FORGED + b"\r\n"):
        assert _name(b"NATS/1.0\r\n" + forged + swallowing + LINE) == "nats"


@pytest.mark.parametrize("said", [b"", b"[]", b"{}", b'{"acc":1}', b"\xff", b'{"acc":"A"'])
def test_what_no_server_says_names_nobody(said: bytes) -> None:
    assert _name(b"NATS/1.0\r\nNats-Request-Info: " + said + b"\r\n\r\n") == "nats"
