"""Publishing each message once, whoever comes and goes."""

import asyncio

from nats.aio.client import Client

from missionops.broker import streams
from missionops.settings import Settings
from publishers.exactly_once import ExactlyOncePublisher, Message
from tests.wait import until_async


async def _publisher(client: Client, after: int) -> ExactlyOncePublisher:
    async def is_owner() -> bool:
        return True

    found = ExactlyOncePublisher(client, streams.DEADLETTERS, is_owner)
    await found.resume(after)
    return found


async def test_the_mark_stays_before_what_a_former_owner_told_of_messages_that_are_not_decided(
    client: Client, settings: Settings
) -> None:
    """It told of two messages and died; its successor decides the first alone, and dies too."""
    await streams.provision(client, settings)
    first, second = (Message("deadletters.telemetry.SC-1", name, b"{") for name in ("one", "two"))
    await (await _publisher(client, 0)).publish([first, second])
    successor = await _publisher(client, 0)
    await successor.publish([first])
    assert (successor.sequence, successor.resume_after) == (2, 1)
    last = await _publisher(client, successor.resume_after)
    await last.publish([second])
    assert last.resume_after == 2
    assert (await client.jsm().stream_info(streams.DEADLETTERS)).state.messages == 2


async def _stored(client: Client) -> list[tuple[str, str, bytes]]:
    """Subject, id and body of what is in the stream, without acknowledgements, which have no id."""
    jetstream = client.jetstream()
    last = (await jetstream.stream_info(streams.DEADLETTERS)).state.last_seq
    found = [await jetstream.get_msg(streams.DEADLETTERS, sequence) for sequence in range(1, last + 1)]
    return [
        (message.subject or "", message.headers["Nats-Msg-Id"], message.data or b"")
        for message in found
        if message.headers
    ]


async def test_each_is_published_once_and_in_order_while_others_publish_to_the_same_subject(
    client: Client, settings: Settings
) -> None:
    """The server's acknowledgements do, where a publisher of telemetry names it as the reply subject."""
    await streams.provision(client, settings)
    publisher = await _publisher(client, 0)
    messages = [Message(f"deadletters.telemetry.SC-{number % 2}", f"id-{number}", b"{") for number in range(400)]
    is_over = False

    async def overtake() -> None:
        while not is_over:
            await client.publish("telemetry.SC-9", b"{}", "deadletters.telemetry.SC-1")
            await asyncio.sleep(0.001)

    overtaking = asyncio.create_task(overtake())
    await publisher.publish(messages[:1])
    await publisher.publish(messages)
    is_over = True
    await overtaking
    found = await _stored(client)
    assert sorted(found) == sorted((message.subject, message.id, message.body) for message in messages)
    for subject in ("deadletters.telemetry.SC-0", "deadletters.telemetry.SC-1"):
        assert [name for at, name, _ in found if at == subject] == [m.id for m in messages if m.subject == subject]
    assert publisher.resume_after == publisher.sequence


async def test_a_foreign_message_under_our_id_is_not_ours(client: Client, settings: Settings) -> None:
    """At first the stream takes ours for a repeat of it; then it lies at the end of the stream when we resume."""
    await streams.provision(client, settings.model_copy(update={"duplicate_window": 0.1}))
    ours = Message("deadletters.telemetry.SC-1", "one", b"ours")
    foreign = ("deadletters.telemetry.SC-1", b"foreign"), ("deadletters.telemetry.SC-2", b"ours")
    publisher = await _publisher(client, 0)
    await client.jetstream().publish(foreign[0][0], foreign[0][1], headers={"Nats-Msg-Id": "one"})
    await publisher.publish([ours])
    assert [body for _, _, body in await _stored(client)] == [b"foreign", b"ours"]

    later = Message("deadletters.telemetry.SC-1", "two", b"ours")
    for subject, body in foreign:
        await _until_taken(client, subject, body, "two")
    successor = await _publisher(client, 2)
    await successor.publish([later])
    assert [body for _, name, body in await _stored(client) if name == "two"] == [b"foreign", b"ours", b"ours"]


async def _until_taken(client: Client, subject: str, body: bytes, name: str) -> None:
    """Publish once the stream has forgotten the id."""

    async def is_taken() -> bool:
        return not (await client.jetstream().publish(subject, body, headers={"Nats-Msg-Id": name})).duplicate

    await until_async(is_taken, "the end of the deduplication window")
