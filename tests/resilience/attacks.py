"""What a broken or malicious publisher sends: pure functions of a random sequence, and what each message is."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple, TypeAlias

from tests.resilience.publisher import SPACECRAFT, Bad, Item, Snapshot, as_json

HOSTILE = ("EVIL-0", "EVIL-1", "EVIL-2")
REPLY_SUBJECTS = (
    "anomalies.{}", "events.{}", "telemetry.{}", "deadletters.telemetry.{}", "missionops.config.set.{}",
    "missionops.events.record.{}", "missionops.spacecraft.register.{}", "missionops.health",
)  # fmt: skip
"""Where the server's acknowledgements are to be sent, with an honest spacecraft's id."""

_RULES = 10_000
_LONG_RULES = 800
_HEADER_BYTES = 60_000
_MEGABYTE = 1_000_000
_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2199, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
_PRESENT = datetime(2025, 1, 1, tzinfo=UTC)
_UNREADABLE_BLOCK = b"HTTP/1.1 200\r\nX-Evil: 1\r\n\r\n"
_ODD_BLOCKS = (
    b"NATS/1.0 \xff\xfe\r\nX-Evil: 1\r\n\r\n",  # the server itself removes what is behind the version
    b"NATS/1.0\r\nno colon\r\nX-Evil \xff: \xfe\r\n\r\n",
    b"NATS/1.0\r\n\r\n",
)


class AttackMessage(NamedTuple):
    """One message, and what is in it."""

    token: str
    items: Sequence[Item]
    is_array: bool
    body: bytes
    headers: Mapping[str, str] = {}  # never written to
    reply: str = ""
    block: bytes | None = None
    """Headers as bytes that no client would send."""


Attack: TypeAlias = Callable[[Random], Iterator[AttackMessage]]


def config(random: Random, token: str) -> dict[str, Any]:
    """A config as large as a request may be: many rules, or long names; the last spacecraft has a small one."""
    names = {HOSTILE[0]: map(_name, range(_RULES)), HOSTILE[1]: map(_long_name, range(_LONG_RULES))}
    limit = random.randint(1, 1000)
    rules = {name: {"warnHigh": limit} for name in names.get(token, ["value"])}
    return {"parameters": rules, "notes": random.getrandbits(32)}


def many_bad_items(random: Random) -> Iterator[AttackMessage]:
    """Each of ten thousand bad items becomes a dead letter, and the headers are large."""
    yield bad_items(random, random.choice((500, 10_000)))


def bad_items(random: Random, count: int) -> AttackMessage:
    """An array of bad items with large headers."""
    bad = random.choice((b"1", b'{"timestamp":"2025-01-01T00:00:00Z"}'))
    nonce = Bad("invalid", json.dumps({"n": random.getrandbits(64)}).encode())
    items = [*(Bad("invalid", bad) for _ in range(count - 1)), nonce]
    headers = {"X-Evil": "x" * _HEADER_BYTES}
    return _message(random.choice(HOSTILE), items, is_array=True)._replace(headers=headers)


def all_out_of_limits(random: Random) -> Iterator[AttackMessage]:
    """Up to ten thousand anomalies in each snapshot."""
    count = random.choice((500, 2_000, _RULES - 1))  # one more makes each message like no other
    for _ in range(random.choice((1, 1, 2))):
        yield _message(HOSTILE[0], [_snapshot(random, dict.fromkeys(map(_name, range(count)), 1_000_000))])


def far_times(random: Random) -> Iterator[AttackMessage]:
    """Three hundred snapshots in as many months or years; each is an anomaly."""
    step = random.choice((30, 365))
    start = datetime(random.randint(1900, 2170) if step == 30 else 1900, 1, 1, tzinfo=UTC)
    times = (min(start + timedelta(days=step * number), _LAST) for number in range(300))
    items = [_snapshot(random, {_name(0): 1_000_000})._replace(timestamp=time) for time in times]
    yield _message(HOSTILE[0], items, is_array=True)


def new_names(random: Random) -> Iterator[AttackMessage]:
    """Parameter names that never come again."""
    for _ in range(20):
        parameters = {f"n{random.getrandbits(64):x}": number for number in range(50)}
        yield _message(random.choice(HOSTILE), [_snapshot(random, parameters)])


def longest_names(random: Random) -> Iterator[AttackMessage]:
    """Names and ids as long as they may be; each parameter is an anomaly."""
    parameters = dict.fromkeys(map(_long_name, range(random.choice((10, _LONG_RULES)))), 1_000_000)
    longest = f"{random.getrandbits(64):0128x}"
    yield _message(HOSTILE[1], [_snapshot(random, parameters)._replace(id=longest)])


def megabytes(random: Random) -> Iterator[AttackMessage]:
    """Bodies as large as the server takes."""
    for _ in range(random.choice((1, 4))):
        value = f"{random.getrandbits(64):x}" * (_MEGABYTE // 16)
        yield _message(random.choice(HOSTILE), [_snapshot(random, {"text": value[:_MEGABYTE]})])


def flood(random: Random) -> Iterator[AttackMessage]:
    """Many small snapshots at once, whose acknowledgements go to one subject."""
    token, honest = random.choice(HOSTILE), random.choice(SPACECRAFT)
    reply = random.choice(REPLY_SUBJECTS).format(honest)
    for _ in range(random.choice((300, 1_500))):
        yield _message(token, [_snapshot(random, {"value": 1_000_000})])._replace(reply=reply)


HEAVY: Sequence[Attack] = (
    many_bad_items, all_out_of_limits, far_times, new_names, longest_names, megabytes, flood,
)  # fmt: skip


def odd_reply(random: Random) -> Iterator[AttackMessage]:
    """The server's acknowledgement is sent to a subject of an honest spacecraft, or of the service."""
    yield with_reply(random, random.choice(REPLY_SUBJECTS).format(random.choice(SPACECRAFT)))


def with_reply(random: Random, reply: str) -> AttackMessage:
    """A valid snapshot with this reply subject."""
    return _message(random.choice(HOSTILE), [_snapshot(random, {"value": 1_000_000})])._replace(reply=reply)


def far_clock(random: Random) -> Iterator[AttackMessage]:
    """A clock at the edge of what the contract allows."""
    snapshot = _snapshot(random, {"value": 1_000_000})._replace(timestamp=random.choice((_FIRST, _LAST)))
    yield _message(random.choice(HOSTILE), [snapshot])


def broken_headers(random: Random) -> Iterator[AttackMessage]:
    """Headers that cannot be read, and some that can although no client sends them."""
    snapshot = _snapshot(random, {"value": 1})
    block = random.choice((_UNREADABLE_BLOCK, *_ODD_BLOCKS))
    body = json.dumps(snapshot.fields()).encode()
    item = Bad("malformed", body) if block == _UNREADABLE_BLOCK else snapshot
    yield AttackMessage(random.choice(HOSTILE), [item], is_array=False, body=body, block=block)


LIGHT: Sequence[Attack] = (odd_reply, odd_reply, odd_reply, far_clock, broken_headers)


def repeated_id(random: Random, message_id: str) -> AttackMessage:
    """A valid snapshot under the message id of an honest publisher."""
    message = _message(random.choice(HOSTILE), [_snapshot(random, {"value": 1})])
    return message._replace(headers={"Nats-Msg-Id": message_id})


def _message(token: str, items: Sequence[Item], *, is_array: bool = False) -> AttackMessage:
    return AttackMessage(token, items, is_array, as_json(items, is_array=is_array))


def _snapshot(random: Random, parameters: Mapping[str, Any]) -> Snapshot:
    """With a value that makes it, and so its message, like no other."""
    timestamp = _PRESENT + timedelta(microseconds=random.randrange(10**13))
    return Snapshot(timestamp, None, {**parameters, "nonce": random.getrandbits(60)})


def _name(number: int) -> str:
    return f"p{number:05d}"


def _long_name(number: int) -> str:
    return f"{number:0256d}"
