"""Roles, tokens, and names of this machine: what may be, and what may not."""

import hashlib
import json

import msgspec
import pytest

from missionops.domain import access, token
from missionops.domain.access import Caller, Role
from missionops.domain.token import Token
from missionops.http.allowed_hosts import AllowedHosts, is_address
from missionops.operations import audit, intake
from missionops.operations.registry import OPERATIONS

RANDOM = bytes(range(token.KEY_BYTES + token.SECRET_BYTES))


def test_each_role_may_what_those_before_it_may() -> None:
    assert list(Role) == ["reader", "operator", "admin"]
    for held, role in enumerate(Role):
        assert [role.includes(needed) for needed in Role] == [needed <= held for needed in range(3)]


def test_whoever_is_limited_reaches_some_and_never_what_is_about_no_one() -> None:
    limited = Caller("a", Role.ADMIN, frozenset({"SC-1", "SC-2"}))
    assert [limited.reaches(name) for name in ("SC-1", "SC-3", "_fleet", "", None)] == [
        True,
        False,
        False,
        False,
        False,
    ]
    for caller in (access.OVER_NATS, access.OVER_OPEN_HTTP):
        assert all(caller.reaches(name) for name in ("SC-1", "_fleet", "", None))


def test_whoever_only_asks_need_be_no_more_than_a_reader() -> None:
    needed = {operation.name: operation.role for operation in (*OPERATIONS, *intake.OPERATIONS)}
    assert {name: role for name, role in needed.items() if role is not Role.READER} == {
        "config.set": Role.ADMIN,
        "spacecraft.register": Role.ADMIN,
        "events.record": Role.OPERATOR,
        "docs.create": Role.OPERATOR,
        "telemetry.take": Role.OPERATOR,
        "telemetry.takeBatch": Role.OPERATOR,
    }


def test_a_token_is_read_as_it_was_written() -> None:
    made = token.made(RANDOM)
    assert str(made) == f"mo_{RANDOM[:8].hex()}_{RANDOM[8:].hex()}"
    assert token.parse(str(made)) == made


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:0],
        lambda text: text[:-1],
        lambda text: text + "0",
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text.upper(),
        lambda text: text.replace("mo_", ""),
        lambda text: text.replace("_", "-"),
        lambda text: text.replace("0", "g", 1),
        lambda text: text.replace("0", "\u0660", 1),  # a digit, elsewhere
        lambda text: text.replace("0", "\0", 1),
    ],
)
def test_what_is_no_token_is_none(change) -> None:
    assert token.parse(change(str(token.made(RANDOM)))) is None


def test_of_a_secret_its_sha_256_is_kept_and_it_alone_matches() -> None:
    made = token.made(RANDOM)
    assert made.digest == hashlib.sha256(made.secret.encode()).digest()
    assert made.matches(made.digest)
    for position in range(64):
        other = made.secret[:position] + ("0" if made.secret[position] != "0" else "1") + made.secret[position + 1 :]
        assert not Token(made.key, other).matches(made.digest)
    assert not made.matches(bytes(32))


def test_the_audit_shows_what_is_small_and_names_by_its_hash_what_is_large() -> None:
    assert json.loads(msgspec.json.encode(audit.between(None, b'{"a":1}'))) == {"before": None, "after": {"a": 1}}
    small, large = b'"%b"' % (b"x" * (16384 - 2)), b'"%b"' % (b"x" * (16384 - 1))
    assert json.loads(msgspec.json.encode(audit.between(large, small))) == {
        "beforeSha256": hashlib.sha256(large).hexdigest(),
        "beforeBytes": 16385,
        "after": "x" * (16384 - 2),
    }


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST:8000", "ops.localhost", "127.0.0.1", "127.0.0.1:8000", "10.0.0.1:80", "[::1]",
        "[::1]:8000", "mine:8000", "Mine", "",
    ],
)  # fmt: skip
def test_names_of_this_machine(host: str) -> None:
    assert AllowedHosts(_nothing, "mine").is_own(host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "notlocalhost", "[",
        "[::1", "localhost@evil.example", "yours", "user@127.0.0.1.nip.io", "evil.example#127.0.0.1",
        "evil.example/localhost",
    ],
)  # fmt: skip
def test_names_that_may_be_somebody_elses(host: str) -> None:
    assert not AllowedHosts(_nothing, "mine").is_own(host)


def test_addresses() -> None:
    assert all(map(is_address, ["127.0.0.1", "::1", "192.0.2.7"]))
    assert not any(map(is_address, ["", "localhost", "1.2.3", "1.2.3.4.5", "127.1"]))


async def _nothing(scope, receive, send) -> None:
    raise AssertionError("nobody is asked here")
