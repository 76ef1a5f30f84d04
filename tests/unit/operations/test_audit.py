"""What an audit event shows of a change: small values as they are, large ones by their hash."""

import hashlib
import json

import msgspec

from missionops.operations import audit


def test_the_audit_shows_what_is_small_and_names_by_its_hash_what_is_large() -> None:
    assert json.loads(msgspec.json.encode(audit.between(None, b'{"a":1}'))) == {"before": None, "after": {"a": 1}}
    small, large = b'"%b"' % (b"x" * (16384 - 2)), b'"%b"' % (b"x" * (16384 - 1))
    assert json.loads(msgspec.json.encode(audit.between(large, small))) == {
        "beforeSha256": hashlib.sha256(large).hexdigest(),
        "beforeBytes": 16385,
        "after": "x" * (16384 - 2),
    }
