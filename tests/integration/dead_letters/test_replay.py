"""Dead letters as operations: lists, one with its body, and replays that neither lose a letter nor store one twice."""

import asyncio
import hashlib
import json
import os
from collections.abc import Sequence
from typing import Any

import httpx
import msgspec
import pytest
from nats.aio.client import Client

from missionops.app import Service
from missionops.broker.dead_letters import DeadLetterStream
from missionops.domain.access import Role
from missionops.errors import Unavailable
from missionops.operations import dead_letters
from tests.wait import PATIENCE

pytestmark = pytest.mark.usefixtures("service")

AT = "2025-01-01T00:00:00Z"


async def put_letter(client: Client, spacecraft_id: str, body: bytes, **headers: str) -> int:
    """A letter as the service publishes it; its sequence."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named = {
        "Missionops-Error-Code": "refused",
        "Missionops-Error": "too wide",
        "Nats-Msg-Id": os.urandom(8).hex(),
    } | named
    acknowledgement = await client.jetstream().publish(f"deadletters.telemetry.{spacecraft_id}", body, headers=named)
    return acknowledgement.seq


def snapshot(value: int) -> bytes:
    return json.dumps({"timestamp": AT, "parameters": {"a": value}}).encode()


async def ask(client: Client, subject: str, **request: object) -> Any:
    reply = await client.request(f"missionops.{subject}", json.dumps(request).encode(), timeout=6)
    return json.loads(reply.data)


async def replay(client: Client, *sequences: int) -> dict[str, Any]:
    result: dict[str, Any] = await ask(client, "deadletters.replay", sequences=sequences)
    return result


def replayed(*sequences: int) -> dict[str, Any]:
    return {"replayed": list(sequences), "refused": []}


async def left(client: Client) -> int:
    return int((await client.jetstream().stream_info("DEADLETTERS")).state.messages)


async def telemetry_messages(client: Client) -> int:
    return int((await client.jetstream().stream_info("TELEMETRY")).state.last_seq)


async def until_left(client: Client, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while await left(client) != count:
            await asyncio.sleep(0.02)


async def until_stored(client: Client, spacecraft_id: str, count: int) -> list[Any]:
    async with asyncio.timeout(PATIENCE):
        while len(found := await ask(client, f"telemetry.list.{spacecraft_id}", limit=1000)) < count:
            await asyncio.sleep(0.02)
    return [item["parameters"]["a"] for item in found]


async def test_a_list_says_what_each_letter_is_about(client: Client):
    body = b'[{"timestamp":"now"}]'
    await client.publish("telemetry.SC-001", body, headers={"X-Station": "Kiruna", "Status": "503"})
    await until_left(client, 1)
    (letter,) = await ask(client, "deadletters.list")
    assert letter.pop("at").endswith("Z")
    assert letter.pop("error") == "parameters: is required"
    item = b'{"timestamp":"now"}'
    assert letter == {
        "sequence": 1, "subject": "deadletters.telemetry.SC-001", "code": "invalid", "item": 0, "size": len(item),
    }  # fmt: skip
    whole = await ask(client, "deadletters.get", sequence=1)
    assert (whole["body"], whole["bodyBase64"], whole["isCut"]) == (item.decode(), None, False)
    assert (whole["headers"]["X-Station"], whole["headers"]["Status"]) == ("Kiruna", "503")
    assert not [name for name in whole["headers"] if name.startswith("Nats-")]


async def test_lists_are_continued_by_cursors_while_letters_come(client: Client):
    for _ in range(5):
        await put_letter(client, "SC-001", b"x")
    reply = await client.request("missionops.deadletters.list", b'{"limit":2}')
    await put_letter(client, "SC-001", b"newer")
    found = [letter["sequence"] for letter in json.loads(reply.data)]
    while cursor := (reply.headers or {}).get("Missionops-Next-Cursor"):
        reply = await client.request("missionops.deadletters.list", json.dumps({"limit": 2, "cursor": cursor}).encode())
        found += [letter["sequence"] for letter in json.loads(reply.data)]
    assert found == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("spacecraft_ids", "of_all"),
    [(None, range(1, 41)), ({"SC-001"}, (1, 2, 40)), ({"SC-001", "SC-003"}, (1, 2, 20, 40)), (set(), ())],
)
async def test_the_newest_letters_come_first_however_far_apart_they_lie(
    client: Client, spacecraft_ids: set[str] | None, of_all: Sequence[int]
):
    for number in range(1, 41):
        own = "SC-001" if number in {1, 2, 40} else "SC-003" if number == 20 else "SC-002"
        await put_letter(client, own, b"x")
    await client.jetstream().delete_msg("DEADLETTERS", 39)
    expected = [number for number in reversed(of_all) if number != 39]
    stream = DeadLetterStream(client, page=4)
    for count in (1, 3, 5, 100):
        found = await stream.newest(spacecraft_ids, None, count)
        assert [letter.sequence for letter in found] == expected[:count]
        assert [letter.sequence for letter in await stream.newest(spacecraft_ids, 21, count)] == [
            number for number in expected if number < 21
        ][:count]


async def test_a_body_that_nats_has_no_room_for_is_cut_there_and_whole_over_http(service: Service, client: Client):
    large = "ä" * 460_000
    await put_letter(client, "SC-001", large.encode())
    over_nats = await ask(client, "deadletters.get", sequence=1)
    assert over_nats["isCut"]
    assert over_nats["size"] == len(large.encode())
    assert over_nats["body"]
    assert large.startswith(over_nats["body"])
    async with httpx.AsyncClient(base_url=service.http_url) as http:
        over_http = (await http.get("/dead-letters/1")).json()
    assert (over_http["body"], over_http["isCut"]) == (large, False)


async def test_a_replay_is_a_new_message_with_the_original_headers(client: Client):
    body = msgspec.msgpack.encode({"timestamp": AT, "parameters": {"a": 1}})
    await put_letter(
        client, "SC-001", body, Content_Type="application/msgpack", X_Station="Kiruna", Nats_Msg_Id="old",
        Missionops_Original_Msg_Id="old",
    )  # fmt: skip
    published = await client.subscribe("telemetry.SC-001")
    assert await replay(client, 1) == replayed(1)
    message = await published.next_msg(PATIENCE)
    headers = dict(message.headers or {})
    assert message.data == body
    assert headers.pop("Nats-Msg-Id").startswith("SC-001-replay-1-")
    headers.pop("Nats-Expected-Stream", None)
    assert headers == {"Content-Type": "application/msgpack", "X-Station": "Kiruna"}
    assert await left(client) == 0
    assert await until_stored(client, "SC-001", 1) == [1]


async def test_a_later_item_of_a_messagepack_array_is_replayed_as_what_it_is(client: Client):
    """It has not the headers of its message; nor has a letter that holds the remaining items."""
    packed = [
        msgspec.msgpack.encode({"timestamp": AT, "parameters": {"a": value}, "id": str(value)}) for value in (1, 2, 3)
    ]
    encoding = {"Missionops_Content_Type": "application/msgpack", "Missionops_Item": "1"}
    await put_letter(client, "SC-001", packed[0], **encoding)
    await put_letter(client, "SC-001", b"\xdd\0\0\0\2" + packed[1] + packed[2], **encoding, Missionops_Items="2")
    assert await replay(client, 1, 2) == replayed(1, 2)
    assert sorted(await until_stored(client, "SC-001", 3)) == [1, 2, 3]
    assert await left(client) == 0


async def test_what_cannot_be_replayed_says_why_and_stays(client: Client):
    await put_letter(client, "SC-001", snapshot(1))
    await put_letter(client, "SC-001", b'{"timest', Missionops_Truncated="2000000")
    await put_letter(client, "_unknown", snapshot(3))
    result = await replay(client, 3, 2, 1, 9, 1)
    assert result == {
        "replayed": [1],
        "refused": [
            {"sequence": 3, "reason": "the subject that it came on names no spacecraft", "retry": False},
            {"sequence": 2, "reason": "only its first 8 of 2000000 bytes were kept", "retry": False},
            {"sequence": 9, "reason": "There is no dead letter 9", "retry": False},
        ],
    }
    assert await left(client) == 2


async def test_what_is_refused_again_is_another_letter_and_its_replay_another_message(client: Client):
    await put_letter(client, "SC-001", b"no JSON")
    published = await client.subscribe("telemetry.SC-001")
    ids = set()
    for sequence in (1, 2, 3):
        assert await replay(client, sequence) == replayed(sequence)
        ids.add(((await published.next_msg(PATIENCE)).headers or {})["Nats-Msg-Id"])
        await until_left(client, 1)
    assert len(ids) == 3


async def test_a_letter_stays_until_the_stream_has_its_telemetry(client: Client, database):
    await put_letter(client, "SC-001", snapshot(1))
    info = await client.jetstream().stream_info("TELEMETRY")
    config = info.config.as_dict() | {"max_bytes": 1}
    reply = await client.request("$JS.API.STREAM.UPDATE.TELEMETRY", json.dumps(config).encode())
    assert b'"error"' not in reply.data
    (refused,) = (await replay(client, 1))["refused"]
    assert refused["retry"]
    assert refused["reason"].startswith("The stream TELEMETRY refused it")
    assert await left(client) == 1
    assert await database.fetchval("SELECT count(*) FROM app.event") == 0


async def test_a_letter_stays_until_its_event_is_recorded(client: Client, database):
    await put_letter(client, "SC-001", snapshot(1))
    async with database.transaction():
        await database.execute("LOCK TABLE app.event IN ACCESS EXCLUSIVE MODE")
        (refused,) = (await replay(client, 1))["refused"]
        assert refused["retry"]
    assert await left(client) == 1
    assert await replay(client, 1) == replayed(1)
    assert await left(client) == 0
    assert await database.fetchval("SELECT count(*) FROM app.event") == 1
    assert await until_stored(client, "SC-001", 1) == [1]


async def test_a_replay_that_ended_before_the_letter_was_deleted_is_completed_and_not_repeated(
    client: Client, database, monkeypatch: pytest.MonkeyPatch
):
    async def cut_off(*_: object) -> None:
        raise Unavailable("cut off")

    await put_letter(client, "SC-001", snapshot(1))
    await put_letter(client, "SC-001", b"no JSON")
    with monkeypatch.context() as patch:
        patch.setattr(DeadLetterStream, "delete", cut_off)
        assert [refused["retry"] for refused in (await replay(client, 1, 2))["refused"]] == [True, True]
    await until_left(client, 3)  # both are still there, and the second was refused again
    assert await replay(client, 1, 2) == replayed(1, 2)
    assert await left(client) == 1
    assert await telemetry_messages(client) == 2
    assert await database.fetchval("SELECT count(*) FROM app.event") == 2
    assert await until_stored(client, "SC-001", 1) == [1]


async def test_replays_of_one_letter_at_the_same_time_publish_it_once(client: Client, database):
    await put_letter(client, "SC-001", b"no JSON")
    results = await asyncio.gather(*(replay(client, 1) for _ in range(5)))
    assert replayed(1) in results
    reasons = {refused["reason"] for result in results for refused in result["refused"]}
    assert reasons <= {"There is no dead letter 1"}
    assert await telemetry_messages(client) == 1
    assert await database.fetchval("SELECT count(*) FROM app.event") == 1


async def test_letters_for_which_no_time_is_left_are_to_be_replayed_again(
    client: Client, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(dead_letters, "_START_TIME", 0.01)
    for number in range(50):
        await put_letter(client, "SC-001", snapshot(number))
    result = await replay(client, *range(1, 51))
    again = [refused["sequence"] for refused in result["refused"] if refused["retry"]]
    assert again
    assert [*result["replayed"], *again] == list(range(1, 51))
    assert await left(client) == len(again)


async def test_a_replayed_letter_leaves_an_event_of_what_it_was(client: Client):
    published = await client.subscribe("events.*")
    await put_letter(client, "SC-001", snapshot(1))
    await replay(client, 1)
    message = await published.next_msg(PATIENCE)
    event = json.loads(message.data)
    assert (message.subject, event["type"], event["message"]) == ("events.SC-001", "INFO", "Dead letter 1 replayed")
    metadata = event["metadata"]
    assert (metadata["action"], metadata["by"], metadata["letter"]) == ("deadLetter.replay", "nats", 1)
    before, after = metadata["before"], metadata["after"]
    assert (before["subject"], before["errorCode"], before["error"]) == (
        "deadletters.telemetry.SC-001", "refused", "too wide",
    )  # fmt: skip
    assert (before["bytes"], before["sha256"]) == (len(snapshot(1)), hashlib.sha256(snapshot(1)).hexdigest())
    assert (after["subject"], after["messageId"][:16]) == ("telemetry.SC-001", "SC-001-replay-1-")


class TestTokens:
    """What a token that is limited to some spacecraft may see."""

    @pytest.fixture
    def settings(self, settings):
        return settings.model_copy(update={"http_auth": "tokens"})

    async def test_a_token_sees_and_replays_letters_of_its_own_spacecraft_only(self, client: Client, clients, database):
        for spacecraft_id in ("A", "B", "_unknown", "C"):
            await put_letter(client, spacecraft_id, snapshot(1))
        admin, limited = await clients.holding(Role.ADMIN), await clients.holding(Role.ADMIN, "A", "B")
        assert [letter["sequence"] for letter in (await admin.get("/dead-letters")).json()] == [4, 3, 2, 1]
        assert [letter["sequence"] for letter in (await limited.get("/dead-letters")).json()] == [2, 1]
        of_none = {"spacecraftId": "_unknown"}
        assert [letter["sequence"] for letter in (await admin.get("/dead-letters", params=of_none)).json()] == [3]
        for other in ({"spacecraftId": "C"}, of_none):
            assert (await limited.get("/dead-letters", params=other)).status_code == 403
        assert [(await limited.get(f"/dead-letters/{number}")).status_code for number in (1, 3, 4)] == [200, 404, 404]
        result = (await limited.post("/dead-letters/replay", json={"sequences": [4, 1]})).json()
        assert result["replayed"] == [1]
        assert [refused["reason"] for refused in result["refused"]] == ["There is no dead letter 4"]
        metadata = json.loads(await database.fetchval("SELECT metadata FROM app.event WHERE spacecraft_id = 'A'"))
        assert metadata["by"].startswith("admin")
