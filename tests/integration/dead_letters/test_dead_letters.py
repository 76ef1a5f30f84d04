"""What can never be stored: each lands once in DEADLETTERS, as it came, with its reason, and no neighbour is lost."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
import pytest
from nats.aio.client import Client

from missionops import app
from missionops.app import Service
from tests.wait import PATIENCE, until_async

TIME = "2025-01-01T00:00:00Z"
MSGPACK = {"Content-Type": "application/msgpack"}
LEASE = 30


@pytest.fixture
async def patient_service(settings) -> AsyncIterator[Service]:
    """The service with a long lease.

    A transaction may last for the lease. On a busy machine one with megabytes of letters takes longer than the second
    of other tests, and the session starts again, which is right: but then nobody knows whether a letter has stopped it.
    """
    async with app.running(settings.model_copy(update={"lease": LEASE})) as running:
        await running.until_ready()
        yield running


class Letter(NamedTuple):
    subject: str
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return self.headers["Missionops-Error-Code"]

    @property
    def reason(self) -> str:
        return self.headers["Missionops-Error"]


async def api(client: Client, subject: str, request: object = None) -> Any:
    body = json.dumps(request).encode() if request else b""
    return json.loads((await client.request(f"$JS.API.{subject}", body, timeout=5)).data)


async def last_sequence(client: Client, stream: str) -> int:
    return int((await api(client, f"STREAM.INFO.{stream}"))["state"]["last_seq"])


async def all_handled(client: Client, database) -> None:
    """Waits until the position is at the end of the stream: dead letters are out by then."""

    async def handled() -> bool:
        position = await database.fetchval("SELECT sequence FROM app.checkpoint")
        return bool(position == await last_sequence(client, "TELEMETRY"))

    await until_async(handled, "the end of the stream")


async def letters(client: Client) -> list[Letter]:
    """The stream, with headers read from their bytes, so that no client's reading stands between."""
    found = []
    for sequence in range(1, await last_sequence(client, "DEADLETTERS") + 1):
        message = (await api(client, "STREAM.MSG.GET.DEADLETTERS", {"seq": sequence}))["message"]
        status, *lines = base64.b64decode(message["hdrs"]).decode().split("\r\n")
        assert status == "NATS/1.0"
        headers = [line.split(": ", 1) for line in lines if line]
        assert len({name.lower() for name, _ in headers}) == len(headers), headers
        found.append(Letter(message["subject"], dict(headers), base64.b64decode(message.get("data", ""))))
    return found


async def publish(client: Client, subject: str, body: bytes, headers: dict[str, str] | None = None) -> int:
    ack = json.loads((await client.request(subject, body, headers=headers, timeout=5)).data)
    assert "error" not in ack, ack
    return int(ack["seq"])


async def stored_ids(database) -> list[str]:
    return [row[0] for row in await database.fetch("SELECT id FROM app.snapshot ORDER BY received_at, id")]


@asynccontextmanager
async def raw(nats_url: str) -> AsyncIterator[Callable[[bytes], Awaitable[bytes]]]:
    """A connection that sends what no client would; what it is called with is answered, or refused, on return."""
    place = urlsplit(nats_url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    await reader.readline()
    writer.write(b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\n')

    async def send(command: bytes) -> bytes:
        writer.write(command + b"PING\r\n")
        said = b""
        while not said.endswith(b"PONG\r\n"):
            line = await asyncio.wait_for(reader.readline(), PATIENCE)
            assert line, said
            said += line
        return said

    yield send
    writer.close()


def hpub(subject: bytes, headers: bytes, body: bytes, reply: bytes = b"") -> bytes:
    sizes = b"%d %d" % (len(headers), len(headers) + len(body))
    return b" ".join(part for part in (b"HPUB", subject, reply, sizes) if part) + b"\r\n" + headers + body + b"\r\n"


def good(name: str) -> bytes:
    return json.dumps({"timestamp": TIME, "parameters": {"temp": 1}, "id": name}).encode()


def parameters(text: str) -> bytes:
    return f'{{"timestamp":"{TIME}","parameters":{text}}}'.encode()


def packed(**fields: Any) -> bytes:
    return msgspec.msgpack.encode({"timestamp": TIME, "parameters": {"temp": 1}} | fields)


LARGE = 1024 * 1024

# name: body, code, what the reason says
JSON_CASES: dict[str, tuple[bytes, str, str]] = {
    "empty": (b"", "malformed", "body"),
    "text": (b"hello", "malformed", "body"),
    "cut off": (good("x")[:-1], "malformed", "body"),
    "two documents": (good("x") * 2, "malformed", "body"),
    "null": (b"null", "invalid", "body"),
    "number": (b"42", "invalid", "body"),
    "string": (b'"42"', "invalid", "body"),
    "UTF-16": (good("x").decode().encode("utf-16"), "malformed", "body"),
    "no timestamp": (b'{"parameters":{}}', "invalid", "timestamp"),
    "no parameters": (f'{{"timestamp":"{TIME}"}}'.encode(), "invalid", "parameters"),
    "parameters no object": (parameters("[1]"), "invalid", "parameters"),
    "naive timestamp": (b'{"timestamp":"2025-01-01T00:00:00","parameters":{}}', "invalid", "timestamp"),
    "number as timestamp": (b'{"timestamp":1735689600,"parameters":{}}', "invalid", "timestamp"),
    "leap second": (b'{"timestamp":"2016-12-31T23:59:60Z","parameters":{}}', "invalid", "timestamp"),
    "too early": (b'{"timestamp":"1899-12-31T23:59:59Z","parameters":{}}', "invalid", "timestamp"),
    "too late": (b'{"timestamp":"2200-01-01T00:00:00Z","parameters":{}}', "invalid", "timestamp"),
    "array as parameter": (parameters('{"temp":[]}'), "invalid", "parameters.temp"),
    "object as parameter": (parameters('{"temp":{}}'), "invalid", "parameters.temp"),
    "no JSON number": (parameters('{"gone":NaN,"temp":01}'), "malformed", "parameters.temp"),
    "1e400": (parameters('{"temp":1e400}'), "invalid", "parameters.temp"),
    "long integer": (parameters('{"temp":' + "9" * 400 + "}"), "invalid", "parameters.temp"),
    "U+0000 in a value": (parameters('{"temp":"\\u0000"}'), "invalid", "parameters.temp"),
    "U+0000 in a name": (parameters('{"\\u0000":1}'), "invalid", "parameters"),
    "lone surrogate": (parameters('{"temp":"\\ud800"}'), "malformed", "surrogate"),
    "not UTF-8": (b'{"timestamp":"' + TIME.encode() + b'","parameters":{"temp":"\xff"}}', "malformed", ""),
    "empty name": (parameters('{"":1}'), "invalid", "parameters"),
    "long name": (parameters(json.dumps({"n" * 257: 1})), "invalid", "parameters"),
    "name of many lines": (parameters('{"a\\r\\nNats-Rollup: all":[]}'), "invalid", "parameters"),
    "name not ASCII": (parameters('{"Größe \\u2028 \U0001f680":[]}'), "invalid", "parameters"),
    "too many parameters": (parameters(json.dumps({f"p{n}": 1 for n in range(10_001)})), "too_large", "parameters"),
    "too many snapshots": (b"[" + b",".join([b"{}"] * 10_001) + b"]", "too_large", "body"),
    "deep value": (parameters('{"temp":' + "[" * 100_000 + "]" * 100_000 + "}"), "malformed", "deep"),
    "deep body": (b"[" * 100_000, "malformed", "body"),
    "empty id": (b'{"id":"",' + good("x")[1:].replace(b', "id": "x"', b""), "invalid", "id"),
    "long id": (good("i" * 129), "invalid", "id"),
    "number as id": (good("x").replace(b'"x"', b"7"), "invalid", "id"),
    "U+0000 in id": (good("x").replace(b'"x"', b'"\\u0000"'), "invalid", "id"),
    "other spacecraft": (b'{"spacecraftId":"SC-2",' + good("x")[1:], "subject_mismatch", "spacecraftId"),
    "number as spacecraft": (b'{"spacecraftId":2,' + good("x")[1:], "invalid", "spacecraftId"),
    "array cut off": (b"[" + good("x") + b",", "malformed", "body"),
    "1 MB of nothing": (b"x" * (LARGE - 20_000), "malformed", "body"),
    "MessagePack unsaid": (packed(), "malformed", "body"),
}

MSGPACK_CASES: dict[str, tuple[bytes, str, str]] = {
    "empty": (b"", "malformed", "body"),
    "JSON": (good("x"), "malformed", "body"),
    "cut off": (packed()[:-1], "malformed", "body"),
    "more after it": (packed() + b"\xc0", "malformed", "body"),
    "nil": (b"\xc0", "invalid", "body"),
    "unused byte": (b"\xc1", "malformed", "body"),
    "array as parameter": (packed(parameters={"temp": []}), "invalid", "parameters.temp"),
    "bytes as parameter": (packed(parameters={"temp": b"x"}), "invalid", "parameters.temp"),
    "U+0000 in a value": (packed(parameters={"temp": "\0"}), "invalid", "parameters.temp"),
    "not UTF-8": (packed(parameters={"temp": "xyz"}).replace(b"xyz", b"\xff\xff\xff"), "malformed", "parameters.temp"),
    "naive timestamp": (packed(timestamp="2025-01-01T00:00:00"), "invalid", "timestamp"),
    "odd extension": (packed(timestamp=msgspec.msgpack.Ext(-1, b"123")), "malformed", "timestamp"),
    "too late": (packed(timestamp=msgspec.msgpack.Ext(-1, b"\xff" * 8)), "malformed", "timestamp"),
    "other extension": (packed(timestamp=msgspec.msgpack.Ext(5, b"1234")), "invalid", "timestamp"),
    "long id": (packed(id="i" * 129), "invalid", "id"),
    "other spacecraft": (packed(spacecraftId="SC-2"), "subject_mismatch", "spacecraftId"),
    "huge array": (b"\xdd\xff\xff\xff\xff", "malformed", "body"),
    "deep value": (packed(parameters={"temp": 1}).replace(b"temp\x01", b"temp" + b"\x91" * 5000 + b"\x01"), "", ""),
}


async def test_every_bad_body_is_a_letter_and_every_good_one_is_stored(service: Service, client, database):
    bodies, sent = {}, {}
    for kind, cases, headers in (("JSON", JSON_CASES, {}), ("MessagePack", MSGPACK_CASES, MSGPACK)):
        for name, case in cases.items():
            label = f"{kind}, {name}"
            bodies[label] = case
            sent[await publish(client, "telemetry.SC-1", case[0], {"X-Case": label, **headers})] = label
            await publish(client, "telemetry.SC-1", good(f"after {label}"))
    await all_handled(client, database)

    found = await letters(client)
    assert [sent[int(letter.headers["Missionops-Stream-Sequence"])] for letter in found] == list(bodies)
    for letter, (label, (body, code, said)) in zip(found, bodies.items(), strict=True):
        assert letter.headers["X-Case"] == label
        assert letter.subject == "deadletters.telemetry.SC-1"
        assert letter.body == body, label
        assert letter.code == code or not code, (label, letter.reason)
        assert said in letter.reason, (label, letter.reason)
        assert letter.reason.isascii() and letter.reason.isprintable() and 0 < len(letter.reason) <= 512, label  # noqa: PT018
        assert not {"Missionops-Item", "Missionops-Truncated", "Missionops-Original-Msg-Id"} & letter.headers.keys()
    assert set(await stored_ids(database)) == {f"after {label}" for label in bodies}
    assert service.ingest_status.dead_letters.total() == len(bodies)


async def test_a_bad_item_is_a_letter_of_its_own_and_its_neighbours_are_stored(service: Service, client, database):
    items = [good("0"), b'{"timestamp":null}', good("2"), b'{ "parameters" : {"temp":NaN} }', b"7", good("5")]
    await publish(client, "telemetry.SC-1", b" [" + b" ,\n ".join(items) + b"] ", {"Nats-Msg-Id": "json"})
    packs = [packed(id="p0"), packed(timestamp=None), packed(id="p2"), packed(parameters={"a": []}), b"\xc3"]
    await publish(client, "telemetry.SC-1", b"\x95" + b"".join(packs), {"content-TYPE": "application/x-msgpack"})
    await publish(client, "telemetry.SC-1", b"[]")
    await publish(client, "telemetry.SC-1", b"\x90", MSGPACK)
    await all_handled(client, database)

    found = await letters(client)
    assert [(int(letter.headers["Missionops-Item"]), letter.body) for letter in found] == [
        (1, items[1]), (3, items[3]), (4, items[4]), (1, packs[1]), (3, packs[3]), (4, packs[4]),
    ]  # fmt: skip
    # The first letter of an array alone has the headers that the message came with.
    assert [letter.headers.get("Missionops-Original-Msg-Id") for letter in found[:3]] == ["json", None, None]
    assert sorted(await stored_ids(database)) == ["0", "2", "5", "p0", "p2"]
    assert service.ingest_status.dead_letters.total() == 6


async def test_a_subject_that_names_no_spacecraft_is_unknown(service: Service, nats_url, client, database):
    tokens = [b"*", b">", b"-SC", b"_x", "Größe".encode(), b"\xff\xfe", b"a\x0bb", b"a\x0cb", b"a\x01b", b"a" * 65]
    tokens += [b"x" * 3_900]
    async with raw(nats_url) as send:
        for token in tokens:
            await send(b"PUB telemetry.%s %d\r\n%s\r\n" % (token, len(good("x")), good("x")))
            await send(hpub(b"telemetry." + token, b"NATS/1.0\r\nA: b\r\n\r\n", b"\xc1"))
    await publish(client, "telemetry." + "a" * 64, good("good"))
    await all_handled(client, database)

    found = await letters(client)
    assert [letter.body for letter in found] == [good("x"), b"\xc1"] * len(tokens)
    assert {(letter.subject, letter.code) for letter in found} == {("deadletters.telemetry._unknown", "invalid")}
    assert all(letter.reason.startswith("subject: ") and len(letter.reason) <= 512 for letter in found)
    assert await stored_ids(database) == ["good"]
    assert service.ingest_status.role == "owner"


OTHER_SUBJECTS = [
    b"SAT.1", b"SC-1.extra", b"0.SC-002", b"1.SC-002", b"15.SC-002", b"0.1.SC-002", b"telemetry.SC-002",
    b"*.SC-002", b"0.*", b"*.*", b"SC-002.>", b">.SC-002", b"0.*.SC-002", b"0.>.SC-002", b"*.0.SC-002",
    b"\xff.SC-002", b"{{partition(16)}}.SC-002", b"$1.SC-002", b"x" * 1_900 + b".SC-002", b"0." * 500 + b"SC-002",
]  # fmt: skip


async def test_a_subject_of_another_number_of_tokens_is_a_dead_letter_of_no_spacecraft(
    service: Service, nats_url, client, database
):
    """Whatever it holds, it cannot pass for a stored subject of a spacecraft: its partition is put before all of it."""
    async with raw(nats_url) as send:
        for number, subject in enumerate(OTHER_SUBJECTS):
            body = good(f"x{number}")
            await send(b"PUB telemetry.%s %d\r\n%s\r\n" % (subject, len(body), body))
    await publish(client, "telemetry.SC-1", good("good"))
    await all_handled(client, database)

    found = await letters(client)
    assert [letter.body for letter in found] == [good(f"x{number}") for number in range(len(OTHER_SUBJECTS))]
    assert {(letter.subject, letter.code) for letter in found} == {("deadletters.telemetry._unknown", "invalid")}
    for subject, letter in zip(OTHER_SUBJECTS, found, strict=True):
        shown = subject[:200].decode("ascii", "backslashreplace")
        assert letter.reason.startswith(f"subject: telemetry.{shown}")
        assert "tokens; it must be telemetry.<spacecraftId>" in letter.reason
    assert await stored_ids(database) == ["good"]
    assert service.ingest_status.role == "owner"


async def test_a_subject_with_an_empty_token_is_kept_by_no_stream(service: Service, nats_url, client, database):
    """The server itself lets it match nothing; should it ever do so, it has to be a dead letter."""
    async with raw(nats_url) as send:
        for subject in (b"telemetry.", b"telemetry..SC-2", b"telemetry.SC-2.", b"telemetry", b".telemetry.SC-2"):
            await send(b"PUB %s %d\r\n%s\r\n" % (subject, len(good("x")), good("x")))
    await publish(client, "telemetry.SC-1", good("good"))
    await all_handled(client, database)
    assert await last_sequence(client, "TELEMETRY") == 1
    assert await letters(client) == []
    assert await stored_ids(database) == ["good"]


BROKEN = {
    "no version": b"garbage",
    "a byte": b"x",
    "status not UTF-8": b"NATS/1.0 \xff\xfe\r\n\r\n",
    "description not UTF-8": b"NATS/1.0 404 \xff\xfe\r\n\r\n",
    "other version": b"NATS/9.9\r\nA: b\r\n\r\n",
    "version alone": b"NATS/1.0",
}


async def test_headers_that_cannot_be_read_are_malformed(patient_service: Service, nats_url, client, database):
    async with raw(nats_url) as send:
        for name, headers in BROKEN.items():
            await send(hpub(b"telemetry.SC-1", headers, good(name)))
        await send(b"PUB telemetry.SC-1 %d\r\n%s\r\n" % (len(good("good")), good("good")))
    await all_handled(client, database)

    found = await letters(client)
    stripped = [name for name, headers in BROKEN.items() if headers.startswith(b"NATS/1.0 ")]  # by the stream itself
    assert [letter.body for letter in found] == [good(name) for name in BROKEN if name not in stripped]
    assert {letter.code for letter in found} == {"malformed"}
    assert all(letter.reason.startswith("headers: ") for letter in found)
    assert await stored_ids(database) == [*stripped, "good"]
    assert patient_service.ingest_status.epoch == 1


async def test_headers_that_cannot_be_read_are_answered_400(service: Service, nats_url, client):
    inbox = client.new_inbox()
    answers = await client.subscribe(inbox)
    await client.flush()
    async with raw(nats_url) as send:
        for headers in BROKEN.values():
            await send(hpub(b"missionops.config.get.SC-1", headers, b"", reply=inbox.encode()))
    for name in BROKEN:
        answer = await answers.next_msg(PATIENCE)
        assert answer.headers["Nats-Service-Error-Code"] == "400", name
        assert json.loads(answer.data)["error"]["code"] == "invalid_request"
    assert service.ingest_status.role == "owner"


OBEYED = {
    "Nats-Expected-Stream": "TELEMETRY",
    "Nats-TTL": "1s",
    "nats-foo": "bar",
}
KEPT = {
    "X-Trace": "ä ö",
    "Status": "404",
    "Description": "Not Found",
    "Content-Length": "7",
    "X!#$%&'*+-.^_`|~": "odd",
    "Empty": "",
}
DROPPED = {"Missionops-Item": "9", "missionops-error-code": "fine", "Missionops-Truncated": "1"}


async def test_no_header_of_a_publisher_is_obeyed_or_taken_for_ours(
    patient_service: Service, nats_url, client, database
):
    lines = [f"{name}: {value}" for name, value in (OBEYED | KEPT | DROPPED).items() if name != "Nats-TTL"]
    lines += ["a(b)/c@d: odd name", "no colon", "with space: x", 'quoted": x', "\xe4: name not ASCII", ": no name"]
    lines += ["Nats-Msg-Id: original", "Missionops-Mine: x", "Tab:\tx", "Folded: a", " Nats-Rollup: all"]
    block = ("NATS/1.0\r\n" + "\r\n".join(lines) + "\r\n").encode("utf-8") + b"Latin: \xe4\r\n\r\n"
    async with raw(nats_url) as send:
        await send(hpub(b"telemetry.SC-1", block, b"bad"))
        await send(hpub(b"telemetry.SC-1", b"NATS/1.0 404 No Messages\r\n\r\n", b"bad too"))
        await send(hpub(b"telemetry.SC-1", b"NATS/1.0 204 EOB\r\nNats-Num-Pending: 0\r\n\r\n", b"bad as well"))
    await publish(client, "telemetry.SC-1", good("good"))
    await all_handled(client, database)

    first, second, third = await letters(client)
    assert (first.body, second.body) == (b"bad", b"bad too")
    assert {name: first.headers[name] for name in KEPT} == KEPT
    assert first.headers["Missionops-Mine"] == "x"
    assert first.headers["Missionops-Original-Msg-Id"] == "original"
    assert first.headers["Missionops-Error-Code"] == "malformed"
    assert not {"Missionops-Item", "Missionops-Truncated", "nats-foo", "Nats-Rollup"} & first.headers.keys()
    assert third.body == b"bad as well"
    assert await stored_ids(database) == ["good"]
    assert patient_service.ingest_status.epoch == 1


@pytest.mark.parametrize("name", ["Nats-Expected-Last-Sequence", "Nats-Expected-Last-Subject-Sequence", "Nats-Rollup",
                                  "Nats-Batch-Id", "Nats-Schedule", "Nats-Incr"])  # fmt: skip
async def test_what_the_stream_itself_obeys_or_refuses_does_not_stop_it(
    patient_service: Service, client, database, name
):
    await client.publish("telemetry.SC-1", b"bad", headers={name: "0", "Nats-Batch-Sequence": "1"})
    await publish(client, "telemetry.SC-1", b"bad")
    await publish(client, "telemetry.SC-1", good("good"))
    await all_handled(client, database)
    assert {letter.code for letter in await letters(client)} == {"malformed"}
    assert await stored_ids(database) == ["good"]
    assert patient_service.ingest_status.epoch == 1


async def test_a_body_is_cut_where_the_server_would_refuse_it(patient_service: Service, client, database):
    whole = b"x" * LARGE
    with_headers = b"y" * (LARGE - 60_100)
    almost = b"z" * (LARGE - 5_000)
    await publish(client, "telemetry.SC-1", whole)
    await publish(client, "telemetry.SC-1", with_headers, {"X-Large": "h" * 60_000})
    await publish(client, "telemetry.SC-1", almost)
    await publish(client, "telemetry.SC-1", good("good"))
    await all_handled(client, database)

    first, second, third = await letters(client)
    assert first.headers["Missionops-Truncated"] == str(LARGE)
    assert whole.startswith(first.body)
    assert len(first.body) > LARGE - 5_000
    assert second.headers["Missionops-Truncated"] == str(len(with_headers))
    assert second.headers["X-Large"] == "h" * 60_000
    assert len(second.body) > len(with_headers) - 5_000
    assert (third.body, third.headers.get("Missionops-Truncated")) == (almost, None)
    assert await stored_ids(database) == ["good"]
    assert patient_service.ingest_status.epoch == 1


async def test_headers_as_large_as_a_stream_takes_them_do_not_stop_it(
    patient_service: Service, nats_url, client, database
):
    frame = len(b"NATS/1.0\r\n\r\n")
    room = 65_535 - frame
    blocks = {
        "one": b"A: " + b"v" * (room - 5) + b"\r\n",
        "id": b"Nats-Msg-Id: " + b"i" * (room - 15) + b"\r\n",
        "many": b"".join(b"H%05d: v\r\n" % number for number in range(room // 11)),
        # Each byte becomes U+FFFD, three bytes in UTF-8.
        "not UTF-8": b"A: " + b"\xff" * (room - 5) + b"\r\n",
    }
    async with raw(nats_url) as send:
        for name, block in blocks.items():
            headers = b"NATS/1.0\r\n" + block + b"\r\n"
            assert len(headers) <= 65_535
            assert b"-ERR" not in await send(hpub(b"telemetry.SC-1", headers, name.encode())), name
        await send(hpub(b"telemetry.SC-1", b"NATS/1.0\r\nA: " + b"v" * 300_000 + b"\r\n\r\n", good("hundreds of kB")))
    await publish(client, "telemetry.SC-1", good("good"))
    await all_handled(client, database)

    found = await letters(client)
    assert [letter.body for letter in found] == [name.encode() for name in blocks]
    assert {letter.code for letter in found} == {"malformed"}
    assert found[1].headers["Missionops-Original-Msg-Id"].startswith("iii")
    assert await stored_ids(database) == ["good"]
    assert patient_service.ingest_status.epoch == 1


async def refuse_some(database) -> None:
    await database.execute("ALTER TABLE app.snapshot ADD CHECK (id NOT LIKE '%cursed%')")


async def test_a_row_that_the_database_refuses_is_a_letter_alone(service: Service, client, database):
    await refuse_some(database)
    await publish(client, "telemetry.SC-1", good("before"))
    items = [good("0"), good("cursed 1"), good("2")]
    await publish(client, "telemetry.SC-1", b"[" + b",".join(items) + b"]", {"X-Mine": "kept"})
    await publish(client, "telemetry.SC-2", packed(id="cursed 3"), MSGPACK)
    await publish(client, "telemetry.SC-1", good("after"))
    await all_handled(client, database)

    first, second = await letters(client)
    assert {first.code, second.code} == {"refused"}
    assert (first.body, first.headers["Missionops-Item"], first.headers["X-Mine"]) == (items[1], "1", "kept")
    assert (second.body, second.subject) == (packed(id="cursed 3"), "deadletters.telemetry.SC-2")
    assert "body" in first.reason
    assert sorted(await stored_ids(database)) == ["0", "2", "after", "before"]
    assert service.ingest_status.dead_letters == {"refused": 2}


async def test_refused_rows_among_overlapping_batches_lose_no_neighbour(settings, client, database):
    """Many batches in flight, most of them with a row that is refused, and identities that come again and again."""
    sent = [(f"SC-{n % 3}", f"cursed {n % 4}" if n % 15 == 0 else f"{n % 70}") for n in range(120)]
    await refuse_some(database)
    small = settings.model_copy(update={"batch_parameters": 20})
    async with app.running(small) as service:
        await service.until_ready()
        for spacecraft, name in sent:
            await client.publish(f"telemetry.{spacecraft}", good(name))
        await client.flush()
        await all_handled(client, database)
    rows = await database.fetch("SELECT spacecraft_id, id FROM app.snapshot")
    assert {tuple(row) for row in rows} == {pair for pair in sent if "cursed" not in pair[1]}
    sequences = [int(letter.headers["Missionops-Stream-Sequence"]) for letter in await letters(client)]
    assert sequences == [n for n, (_, name) in enumerate(sent, start=1) if "cursed" in name]


async def test_the_next_of_an_identity_has_its_turn_when_the_first_is_refused(settings, client, database):
    """As it would in a batch of its own: what becomes of a snapshot does not depend on how batches are cut."""
    await database.execute("ALTER TABLE app.snapshot ADD CHECK (others->>'temp' <> '13')")
    async with app.running(settings) as service:
        await service.until_ready()
        temps = [13, 13, 46, 47, 13]
        await client.request("missionops.config.set.SC-1", b'{"parameters":{"temp":{"warnHigh":45}}}')
        items = [json.dumps({"timestamp": TIME, "id": "x", "parameters": {"temp": temp}}) for temp in temps]
        items.insert(2, json.dumps({"timestamp": TIME, "id": "y", "parameters": {"temp": 48}}))
        await publish(client, "telemetry.SC-1", f"[{','.join(items)}]".encode())
        await all_handled(client, database)
    assert [int(letter.headers["Missionops-Item"]) for letter in await letters(client)] == [0, 1]
    rows = await database.fetch("SELECT snapshot_id, body->>'value' FROM app.anomaly ORDER BY number_in_message")
    assert [tuple(row) for row in rows] == [("y", "48"), ("x", "46")]
    assert (service.ingest_status.stored, service.ingest_status.duplicates) == (2, 2)


async def test_thousands_of_refused_rows_in_one_message_do_not_stop_it(service: Service, client, database):
    """Finding each takes longer than the lease of these tests, for which a transaction may last."""
    await refuse_some(database)
    items = [json.dumps({"timestamp": TIME, "id": f"cursed {n}", "parameters": {}}) for n in range(3_000)]
    await publish(client, "telemetry.SC-1", f"[{','.join(items)}]".encode())
    await publish(client, "telemetry.SC-1", good("good"))
    await all_handled(client, database)
    assert await last_sequence(client, "DEADLETTERS") == 3_000
    assert await stored_ids(database) == ["good"]
    assert service.ingest_status.dead_letters == {"refused": 3_000}


async def test_a_fault_that_is_ours_costs_no_telemetry(service: Service, client, database):
    await database.execute("ALTER TABLE app.snapshot RENAME TO away")
    await publish(client, "telemetry.SC-1", good("waits"))

    await until_async(lambda: service.ingest_status.trouble and not service.ingest_status.is_ready, "a red readiness")
    await database.execute("ALTER TABLE app.away RENAME TO snapshot")
    await all_handled(client, database)
    assert await stored_ids(database) == ["waits"]
    assert await letters(client) == []
