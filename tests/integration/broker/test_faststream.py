"""What FastStream 0.7 does alone and is not enough for what we promise: why some of its parts are ours.

Where one of these fails after an update, the part that it names may go.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import nats.errors
import pytest
from faststream.nats import ConsumerConfig, JStream, NatsBroker, PullSub
from faststream.specification import AsyncAPI
from nats.aio.client import Client

from tests.wait import PATIENCE, until_async


@pytest.fixture
async def alone(nats_url: str) -> AsyncIterator[NatsBroker]:
    """FastStream's broker as it is."""
    made = NatsBroker(nats_url, logger=None)
    yield made
    await made.stop()


async def test_it_drops_requests_that_come_while_it_stops(alone: NatsBroker, client: Client):
    """It is given requests until those under way are done, and `consume` returns at once when it is stopping."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    @alone.subscriber("slow", max_workers=64)
    async def slow(_: str) -> str:
        begun.set()
        await go_on.wait()
        return "done"

    await alone.start()
    await (await alone.connect()).flush()  # the server knows of the subscription now
    under_way = asyncio.create_task(client.request("slow", b"", timeout=5))
    await begun.wait()
    stopping = asyncio.create_task(alone.stop())
    await asyncio.sleep(0)
    with pytest.raises(nats.errors.TimeoutError):  # and not NoRespondersError, with which one could ask another
        await client.request("slow", b"", timeout=0.5)
    go_on.set()
    assert (await under_way).data == b"done"
    await stopping


async def test_it_lets_requests_wait_where_no_time_runs(alone: NatsBroker, client: Client):
    """With more requests than workers, the handler, which could refuse in time, does not hear of them."""
    begun, go_on = 0, asyncio.Event()

    @alone.subscriber("slow", max_workers=2)
    async def slow(_: str) -> str:
        nonlocal begun
        begun += 1
        await go_on.wait()
        return "done"

    @alone.subscriber("quick")
    async def quick(_: str) -> str:
        return "done"

    await alone.start()

    async def is_known() -> bool:
        return bool(await client.request("quick", b"", timeout=5))

    await until_async(is_known, "the subscriptions", ignore=(nats.errors.NoRespondersError,))
    asked = [asyncio.create_task(client.request("slow", b"", timeout=5)) for _ in range(4)]
    for _ in range(10):  # each comes after those, and is answered
        await client.request("quick", b"", timeout=5)
    assert begun == 2
    go_on.set()
    await asyncio.gather(*asked)


def test_it_describes_no_answers():
    """Why the AsyncAPI document is ours."""
    made = NatsBroker(logger=None)

    @made.subscriber("ask")
    async def ask(_: str) -> str:
        return "done"

    document = json.loads(AsyncAPI(made).to_specification().to_json())
    assert [list(operation) for operation in document["operations"].values()] == [["action", "channel", "messages"]]


async def test_it_handles_telemetry_out_of_order_once_another_takes_over(nats_url: str, client: Client):
    """Why the consumer of telemetry is ours: what one had begun comes after what is newer, when its time is over."""
    jetstream = client.jetstream()
    await jetstream.add_stream(name="ORDERED", subjects=["ordered"])

    def subscriber(made: NatsBroker) -> Any:
        return made.subscriber(
            "ordered", durable="one", stream=JStream("ORDERED", declare=False), config=ConsumerConfig(ack_wait=1),
            pull_sub=PullSub(batch_size=2, timeout=0.1, batch=True),
        )  # fmt: skip

    begun, handled, done = asyncio.Event(), list[int](), asyncio.Event()
    first, second = (NatsBroker(nats_url, logger=None, graceful_timeout=0.1) for _ in range(2))

    @subscriber(first)
    async def begin(_: list[int]) -> None:
        begun.set()
        await asyncio.Event().wait()

    @subscriber(second)
    async def handle(numbers: list[int]) -> None:
        handled.extend(numbers)
        if len(handled) == 4:
            done.set()

    for number in (1, 2):
        await jetstream.publish("ordered", b"%d" % number)
    await first.start()
    await begun.wait()
    await first.stop()
    for number in (3, 4):
        await jetstream.publish("ordered", b"%d" % number)
    await second.start()
    async with asyncio.timeout(PATIENCE):
        await done.wait()
    await second.stop()
    assert handled == [3, 4, 1, 2]
