"""Publishing each message once, whoever comes and goes."""

from nats.aio.client import Client

from missionops import streams
from missionops.settings import Settings
from publishers.fenced import FencedPublisher, Message


async def _publisher(client: Client, after: int) -> FencedPublisher:
    async def is_owner() -> bool:
        return True

    found = FencedPublisher(client, streams.DEADLETTERS, is_owner)
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
    assert (successor.sequence, successor.mark) == (2, 1)
    last = await _publisher(client, successor.mark)
    await last.publish([second])
    assert last.mark == 2
    assert (await client.jsm().stream_info(streams.DEADLETTERS)).state.messages == 2
