"""The dead letters of one message: bounded together, each with an id that stays, and none of its items lost."""

import msgspec
import pytest

from missionops.ingest.batch import DeadLetter, Delivery
from missionops.wire import decoder
from missionops.wire.fault import Fault
from publishers import dead_letters
from publishers.exactly_once import Message

PAYLOAD = 8 << 20
REASON = (
    "parameters.temp: must be a number, a string, a boolean or null, and is something else, of which much can be said "
    * 9
)


def delivery(sequence: int = 1, **headers: str) -> Delivery:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    block = f"NATS/1.0\r\n{lines}\r\n".replace("Content_Type", "Content-Type").encode() if headers else None
    return Delivery(b"telemetry.0.SC-1", sequence, 7, b"", block, b"")


def written(items: dict[int, bytes], source: Delivery, payload: int = PAYLOAD) -> list[Message]:
    letters = [DeadLetter(Fault("invalid", REASON, item, body), source) for item, body in items.items()]
    return [*dead_letters.messages(letters, "stream", payload)]


def size(message: Message) -> int:
    return len(message.body) + sum(len(name) + len(value.encode()) + 4 for name, value in message.headers.items())


def told(messages: list[Message], encoding: decoder.Encoding = decoder.JSON) -> list[bytes]:
    """The bad items, one by one, as they can be read from the letters."""
    found: list[bytes] = []
    for message in messages:
        found += encoding.items(message.body) if "Missionops-Items" in message.headers else [message.body]
    return found


def test_the_first_letter_of_an_array_alone_has_the_headers_and_the_whole_reason():
    source = delivery(X="x" * 60_000, Msg="äö")
    first, *others = written({2: b"1", 5: b"2", 9: b"3"}, source)
    assert (first.headers["X"], first.headers["Msg"], len(first.headers["Missionops-Error"])) == (
        "x" * 60_000,
        "äö",
        512,
    )
    for other, item in zip(others, ("5", "9"), strict=True):
        assert other.headers == {
            "Missionops-Error-Code": "invalid",
            "Missionops-Error": REASON[:128],
            "Missionops-Stream-Sequence": "1",
            "Missionops-Item": item,
        }


def test_a_message_of_one_snapshot_keeps_its_headers_and_every_message_begins_anew():
    whole = [DeadLetter(Fault("malformed", REASON, None, b"x"), delivery(sequence, X="1")) for sequence in (1, 2)]
    array = [DeadLetter(Fault("invalid", REASON, item, b"x"), delivery(3, X="1")) for item in (0, 1)]
    assert [message.headers.get("X") for message in dead_letters.messages([*whole, *array], "s", PAYLOAD)] == [
        "1", "1", "1", None,
    ]  # fmt: skip


def test_where_letters_of_single_items_would_be_too_much_one_holds_the_rest():
    items = {number: b'{"n":%06d%s}' % (number, b" " * 500) for number in range(10_000)}
    found = written(items, delivery(X="x" * 60_000))
    assert sum(map(size, found)) < 8_000_000
    assert 1_000 < len(found) < 10_000
    assert told(found) == [*items.values()]
    rest = found[-1]
    first = int(rest.headers["Missionops-Item"])
    assert (first, int(rest.headers["Missionops-Items"])) == (len(found) - 1, 10_001 - len(found))
    assert rest.headers["Missionops-Error"].startswith(
        f"body: {10_001 - len(found)} bad items of it, from {first} to 9999"
    )
    assert len(rest.headers["Missionops-Error"]) <= 128
    assert "Missionops-Truncated" not in rest.headers
    assert "X" not in rest.headers


def test_the_rest_of_a_messagepack_array_is_one_and_says_so():
    items = {number: msgspec.msgpack.encode({"n": "x" * 600, "number": number}) for number in range(0, 9_000, 3)} | {
        number: msgspec.msgpack.encode("x" * 1_000) for number in range(9_000, 14_000)
    }
    found = written(items, delivery(Content_Type="application/msgpack"))
    assert told(found, decoder.MSGPACK) == [*items.values()]
    assert "Missionops-Items" in found[-1].headers
    assert {message.headers.get("Missionops-Content-Type") for message in found[1:]} == {"application/msgpack"}


@pytest.mark.parametrize(("count", "length"), [(200, 100_000), (9, 3_000_000), (3, 9_000_000)])
def test_of_more_than_the_bound_the_rest_is_cut_and_says_so(count: int, length: int):
    found = written(dict.fromkeys(range(count), b"x" * length), delivery(), 64 << 20)
    assert 7_000_000 < sum(map(size, found)) <= 8_000_000
    assert int(found[-1].headers["Missionops-Truncated"]) > len(found[-1].body)
    assert int(found[-1].headers["Missionops-Items"]) + len(found) - 1 == count


def test_a_single_item_that_is_too_large_is_cut():
    (message,) = written({3: b"x" * 9_000_000}, delivery(), 64 << 20)
    assert message.headers["Missionops-Truncated"] == "9000000"
    assert "Missionops-Items" not in message.headers
    assert size(message) <= 8_000_000


def test_ids_are_unique_and_stay_and_the_rest_is_known_by_its_items():
    items = dict.fromkeys(range(10_000), b"x" * 700)
    once, again = (written(items, delivery()) for _ in range(2))
    assert [message.id for message in once] == [message.id for message in again]
    assert len({message.id for message in once}) == len(once)
    # Should the database refuse others when the message is handled again, none of them is taken for told.
    others = written(dict.fromkeys([*range(9_999), 10_000], b"x" * 700), delivery())
    assert others[-1].headers["Missionops-Item"] == once[-1].headers["Missionops-Item"]
    assert [message.id for message in others[:-1]] == [message.id for message in once[:-1]]
    assert others[-1].id != once[-1].id


def test_letters_are_made_one_by_one():
    """Whoever publishes holds no more of them than are sent at once."""
    letters = (DeadLetter(Fault("malformed", "body", None, b"x"), delivery(sequence)) for sequence in range(1, 10))
    written_ones = dead_letters.messages(letters, "s", PAYLOAD)
    assert next(written_ones).headers["Missionops-Stream-Sequence"] == "1"
    assert next(letters).delivery.sequence == 3  # what comes next was looked at, and no more
