"""What is read from JetStream, and what is said where it refuses."""

from typing import Any

import pytest
from nats.aio.client import Client

from missionops.broker import jetstream, streams
from missionops.broker.jetstream import ApiError, ErrorCode
from missionops.errors import Unavailable
from missionops.settings import Settings

SUBJECTS = ("events.SC-1", "events.SC-2")


@pytest.fixture
async def events(client: Client, settings: Settings) -> Client:
    """A stream EVENTS with ten messages of two spacecraft in turn."""
    await streams.provision(client, settings)
    for number in range(10):
        await client.request(
            SUBJECTS[number % 2], b"%d" % number, headers={"Status": "404", "Nats-Msg-Id": f"{number}"}
        )
    return client


async def _read(client: Client, **wanted: Any) -> list[tuple[int, bytes]]:
    found = jetstream.messages(client, streams.EVENTS, page=3, page_bytes=1 << 20, **wanted)
    return [(message.sequence, message.data) async for message in found]


async def test_messages_come_page_by_page_in_order_whatever_their_headers_say(events: Client) -> None:
    assert await _read(events, seq=1) == [(number + 1, b"%d" % number) for number in range(10)]
    assert await _read(events, seq=4, subject=SUBJECTS[0]) == [(5, b"4"), (7, b"6"), (9, b"8")]
    assert len(await _read(events, start_time="1970-01-01T00:00:00Z")) == 10
    assert await _read(events, start_time="2100-01-01T00:00:00Z") == []
    assert await _read(events, seq=11) == []


async def test_one_message_is_there_or_is_not(events: Client) -> None:
    found = await jetstream.get_message(events, streams.EVENTS, 3)
    assert found
    assert (found.sequence, found.subject, found.data, found.headers["Status"]) == (3, SUBJECTS[0], b"2", "404")
    position = await jetstream.find_message(events, streams.EVENTS, {"seq": 3})
    assert position == (3, found.time)
    assert await jetstream.delete_message(events, streams.EVENTS, 3)
    assert not await jetstream.delete_message(events, streams.EVENTS, 3)
    assert await jetstream.get_message(events, streams.EVENTS, 3) is None
    assert await jetstream.find_message(events, streams.EVENTS, {"seq": 3}) is None


async def test_the_last_sequence_of_each_subject_is_found_however_many_there_are(events: Client) -> None:
    absent = [f"events.NONE-{number}" for number in range(120)]
    found = await jetstream.last_sequences(events, streams.EVENTS, [*absent, *SUBJECTS])
    assert found == dict.fromkeys(absent, 0) | {SUBJECTS[0]: 9, SUBJECTS[1]: 10}
    assert await jetstream.last_sequences(events, streams.EVENTS, []) == {}


async def test_a_stream_that_is_absent_is_named(client: Client) -> None:
    with pytest.raises(ApiError, match=r"JetStream refuses STREAM\.INFO\.NOWHERE: stream not found\.") as refused:
        await jetstream.stream_info(client, "NOWHERE")
    assert refused.value.error_code == ErrorCode.STREAM_NOT_FOUND
    with pytest.raises(Unavailable, match="There is no stream NOWHERE on this NATS server"):
        await jetstream.get_message(client, "NOWHERE", 1)
