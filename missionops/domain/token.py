"""Tokens: `mo_<key>_<secret>`. The key finds a token's row, the secret proves that it is the one.

Of the secret only a SHA-256 is kept. It is 256 random bits, so nobody guesses it however fast a hash can be computed:
the slow hashes are for what people choose, and would cost every request their time.
"""

import hashlib
import hmac
import re
from typing import NamedTuple

KEY_BYTES = 8
SECRET_BYTES = 32

_TOKEN = re.compile(r"mo_([0-9a-f]{16})_([0-9a-f]{64})")


class Token(NamedTuple):
    """What the bearer of a token shows."""

    key: str
    secret: str

    def __str__(self) -> str:
        return f"mo_{self.key}_{self.secret}"

    @property
    def digest(self) -> bytes:
        """What is kept of the secret."""
        return hashlib.sha256(self.secret.encode()).digest()

    def matches(self, digest: bytes) -> bool:
        """Whether this is the token that `digest` was kept of; it takes as long whichever byte is wrong."""
        return hmac.compare_digest(self.digest, digest)


def made(random: bytes) -> Token:
    """The token of KEY_BYTES + SECRET_BYTES random bytes."""
    return Token(random[:KEY_BYTES].hex(), random[KEY_BYTES:].hex())


def parse(text: str) -> Token | None:
    """The token that a text is; None if it can be none."""
    found = _TOKEN.fullmatch(text)
    return Token(*found.groups()) if found else None
