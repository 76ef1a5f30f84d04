"""Tokens: how they are written, and what is kept of their secrets."""

import hashlib

import pytest

from missionops.domain import token
from missionops.domain.token import Token

RANDOM = bytes(range(token.KEY_BYTES + token.SECRET_BYTES))


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
