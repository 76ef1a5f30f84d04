"""What a storm meets by chance, made to happen: each a trouble at the one moment at which it could do harm."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from tests.chaos.publisher import Bad
from tests.chaos.stage import Stage
from tests.chaos.world import WINDOW

Scenario: TypeAlias = Callable[[Stage], Awaitable[None]]

_STORING = "LOCK TABLE app.telemetry IN SHARE MODE"
_ASKING = "LOCK TABLE app.telemetry IN ACCESS EXCLUSIVE MODE"
_COMMITTING = "SELECT FROM app.checkpoint FOR UPDATE"
_BAD = Bad("invalid", b'{"timestamp":"yesterday","parameters":{}}')
_FORGOTTEN = 1.2 * WINDOW
"""Seconds after which a stream takes a message id that it had."""


async def killed_before_commit(stage: Stage) -> None:
    """The batch is in hand, its transaction is not committed, and the process is gone."""
    before = await stage.acknowledged()

    async def is_acknowledged() -> bool:
        return await stage.acknowledged() > before

    async with stage.held_up(_STORING):
        await stage.wait_a_moment(is_acknowledged)
        await stage.service.kill()
    await stage.crash()
    await stage.publish_and_store()


async def slow_to_commit(stage: Stage) -> None:
    """The last statement of the transaction has to wait."""
    async with stage.held_up(_COMMITTING):
        pass


async def killed_before_telling(stage: Stage) -> None:
    """Committed, cut off from NATS, and gone."""
    async with stage.held_up(_STORING) as snapshot:
        stage.service.nats.out.clear()
    await stage.wait(lambda: stage.is_stored(snapshot))
    await stage.crash()


async def killed_before_a_dead_letter(stage: Stage) -> None:
    """What can never be stored must not be committed over while nobody can be told of it."""
    async with stage.held_up(_STORING, _BAD) as snapshot:
        stage.service.nats.out.clear()
    await stage.wait_a_moment(lambda: stage.is_stored(snapshot))
    await stage.crash()


async def killed_after_telling(stage: Stage) -> None:
    """Told, but not yet written down as told; the next run begins when the stream has forgotten the message id."""
    await stage.publish_and_store()
    await stage.until_told()
    await stage.service.kill()
    await asyncio.sleep(_FORGOTTEN)
    await stage.crash()


async def word_that_comes_late(stage: Stage) -> None:
    """A former owner's message is on its way until its successor has told the same, and the id is forgotten."""
    await stage.publish_and_store()
    await stage.until_told()
    await stage.stand_by()
    async with stage.held_up(_STORING) as snapshot:
        stage.service.nats.out.clear()
    await stage.wait(lambda: stage.is_stored(snapshot))
    await stage.hand_over(stage.other)
    await stage.until_told()
    await asyncio.sleep(_FORGOTTEN)
    stage.service.nats.flow()
    await stage.publish_and_store()
    await stage.other.kill()
    await stage.crash()


async def config_that_changes(stage: Stage) -> None:
    """Between one snapshot and the next."""
    for _ in range(2):
        await stage.publish_and_store()
        await stage.set_limit()
    await stage.publish_and_store()


async def owner_without_a_right(stage: Stage) -> None:
    """Another has claimed; this one knows nothing of it, goes on to commit, and is gone before it has told.

    NATS does not reach the other just then: it has claimed, and begins to work only afterwards.
    """
    await stage.stand_by()
    stage.other.nats.back.clear()
    async with stage.held_up(_STORING) as snapshot:
        stage.service.nats.out.clear()
        await stage.hand_over(stage.other)
    await stage.wait_a_moment(lambda: stage.is_stored(snapshot))
    await stage.service.kill()
    stage.service.nats.cut()
    stage.other.nats.flow()
    for _ in range(2):  # with each batch an owner writes down that the one before is told
        await stage.publish_and_store()
    await stage.other.kill()
    await stage.crash()


async def owner_that_was_away(stage: Stage) -> None:
    """Told that a snapshot is new, it hears nothing until its successor has stored the same; then it goes on.

    The table refuses what it has by then: that is no fault of the snapshot.
    """
    old = await stage.publish_and_store()
    await stage.crash()
    # A repeat of what was stored before its time, so that it asks for the next; and it knows now all that a dead letter
    # needs, and holds no lock that others wait for.
    await stage.publish_and_store(_BAD, old)
    await stage.stand_by()
    async with stage.held_up(_ASKING) as snapshot:
        stage.service.nats.back.clear()
        stage.service.database.back.clear()
        await stage.until_nothing_is_asked()
        await stage.hand_over(stage.other)
    await stage.wait(lambda: stage.is_stored(snapshot))
    before = await stage.dead_letters()
    stage.service.database.flow()

    async def is_more() -> bool:
        return await stage.dead_letters() > before

    await stage.wait_a_moment(is_more)
    stage.service.nats.flow()
    await stage.publish_and_store()
    await stage.until_told()
    await stage.other.kill()
    await stage.crash()


async def owner_that_slept(stage: Stage) -> None:
    """It was stopped; what NATS delivers to its open requests meanwhile is not delivered to its successor by itself."""
    await stage.publish_and_store()
    await stage.stand_by()
    stage.service.signal(signal.SIGSTOP)
    await stage.hand_over(stage.other)
    await stage.publish_and_store()
    stage.service.signal(signal.SIGCONT)
    await stage.other.kill()
    await stage.crash()


async def killed_with_an_event_in_hand(stage: Stage) -> None:
    """The change is committed, its event is in the outbox, and NATS takes nothing any more."""
    await stage.set_limit()
    await stage.until_told()
    stage.service.nats.out.clear()
    await stage.send_limit()

    async def is_empty() -> bool:
        return not await stage.waiting_events()

    await stage.wait_a_moment(is_empty)
    await stage.crash()


ALL: tuple[Scenario, ...] = (
    killed_before_commit, slow_to_commit, killed_before_telling, killed_before_a_dead_letter, killed_after_telling,
    word_that_comes_late, config_that_changes, owner_without_a_right, owner_that_was_away,
    owner_that_slept, killed_with_an_event_in_hand,
)  # fmt: skip
