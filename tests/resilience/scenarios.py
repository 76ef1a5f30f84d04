"""What a soak run meets by chance, made to happen: each is a fault at the one moment at which it could do harm."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeAlias

from tests.resilience import attacks
from tests.resilience.driver import Driver
from tests.resilience.environment import DUPLICATE_WINDOW
from tests.resilience.publisher import Bad

Scenario: TypeAlias = Callable[[Driver], Awaitable[None]]

_STORING = "LOCK TABLE app.snapshot IN SHARE MODE"
_READING = "LOCK TABLE app.snapshot IN ACCESS EXCLUSIVE MODE"
_COMMITTING = "SELECT FROM app.checkpoint FOR UPDATE"
_BAD = Bad("invalid", b'{"timestamp":"yesterday","parameters":{}}')
_FORGOTTEN = 1.2 * DUPLICATE_WINDOW
"""Seconds after which a stream accepts a message id again."""


async def killed_before_commit(driver: Driver) -> None:
    """The batch is in hand, its transaction is not committed, and the process is killed."""
    before = await driver.acknowledged()

    async def is_acknowledged() -> bool:
        return await driver.acknowledged() > before

    async with driver.lock_held(_STORING):
        await driver.wait_a_while(is_acknowledged)
        await driver.service.kill()
    await driver.crash()
    await driver.publish_and_store()


async def slow_commit(driver: Driver) -> None:
    """The last statement of the transaction has to wait."""
    async with driver.lock_held(_COMMITTING):
        pass


async def killed_before_publishing(driver: Driver) -> None:
    """The batch is committed, NATS cannot be reached, and the process is killed."""
    async with driver.lock_held(_STORING) as snapshot:
        driver.service.nats.out.clear()
    await driver.wait(lambda: driver.is_stored(snapshot))
    await driver.crash()


async def killed_before_a_dead_letter(driver: Driver) -> None:
    """A batch with a bad item must not be committed while its dead letter cannot be published."""
    async with driver.lock_held(_STORING, _BAD) as snapshot:
        driver.service.nats.out.clear()
    await driver.wait_a_while(lambda: driver.is_stored(snapshot))
    await driver.crash()


async def killed_after_publishing(driver: Driver) -> None:
    """Anomalies are published and not yet recorded as published; the stream has forgotten their ids by the next run."""
    await driver.publish_and_store()
    await driver.until_published()
    await driver.service.kill()
    await asyncio.sleep(_FORGOTTEN)
    await driver.crash()


async def late_message(driver: Driver) -> None:
    """A former owner's message arrives after its successor has published the same, and the id is forgotten."""
    await driver.publish_and_store()
    await driver.until_published()
    await driver.stand_by()
    async with driver.lock_held(_STORING) as snapshot:
        driver.service.nats.out.clear()
    await driver.wait(lambda: driver.is_stored(snapshot))
    await driver.hand_over(driver.other)
    await driver.until_published()
    await asyncio.sleep(_FORGOTTEN)
    driver.service.nats.flow()
    await driver.publish_and_store()
    await driver.other.kill()
    await driver.crash()


async def changed_config(driver: Driver) -> None:
    """The config changes between one snapshot and the next."""
    for _ in range(2):
        await driver.publish_and_store()
        await driver.set_limit()
    await driver.publish_and_store()


async def owner_that_lost_its_lease(driver: Driver) -> None:
    """Another has claimed; the former owner does not know, goes on to commit, and is killed before it publishes.

    NATS does not reach the other just then: it has claimed, and begins to work only afterwards.
    """
    await driver.stand_by()
    driver.other.nats.back.clear()
    async with driver.lock_held(_STORING) as snapshot:
        driver.service.nats.out.clear()
        await driver.hand_over(driver.other)
    await driver.wait_a_while(lambda: driver.is_stored(snapshot))
    await driver.service.kill()
    driver.service.nats.cut()
    driver.other.nats.flow()
    for _ in range(2):  # with each batch an owner records that the one before is published
        await driver.publish_and_store()
    await driver.other.kill()
    await driver.crash()


async def owner_that_was_away(driver: Driver) -> None:
    """It read that a snapshot is new, and is cut off until its successor has stored the same; then it goes on.

    The table refuses the snapshot by then: that is no fault of the snapshot.
    """
    old = await driver.publish_and_store()
    await driver.crash()
    # A repeat of what was stored before this run makes the service read first the next time; and it has now all that a
    # dead letter needs, and holds no lock that others wait for.
    await driver.publish_and_store(_BAD, old)
    await driver.stand_by()
    async with driver.lock_held(_READING) as snapshot:
        driver.service.nats.back.clear()
        driver.service.database.back.clear()
        await driver.until_no_pull_request()
        await driver.hand_over(driver.other)
    await driver.wait(lambda: driver.is_stored(snapshot))
    before = await driver.dead_letters()
    driver.service.database.flow()

    async def is_more() -> bool:
        return await driver.dead_letters() > before

    await driver.wait_a_while(is_more)
    driver.service.nats.flow()
    await driver.publish_and_store()
    await driver.until_published()
    await driver.other.kill()
    await driver.crash()


async def owner_that_was_stopped(driver: Driver) -> None:
    """It was stopped; what NATS delivers to its open pull requests meanwhile does not reach its successor by itself."""
    await driver.publish_and_store()
    await driver.stand_by()
    driver.service.signal(signal.SIGSTOP)
    await driver.hand_over(driver.other)
    await driver.publish_and_store()
    driver.service.signal(signal.SIGCONT)
    await driver.other.kill()
    await driver.crash()


async def killed_with_an_event_in_the_outbox(driver: Driver) -> None:
    """The change is committed, its event is in the outbox, and NATS cannot be reached any more."""
    await driver.set_limit()
    await driver.until_published()
    driver.service.nats.out.clear()
    await driver.send_limit()

    async def is_empty() -> bool:
        return not await driver.waiting_events()

    await driver.wait_a_while(is_empty)
    await driver.crash()


async def hostile_reply_subjects(driver: Driver) -> None:
    """The server's acknowledgements of somebody's telemetry are sent to subjects of another spacecraft."""
    before = await driver.configs()

    async def is_more() -> bool:
        return await driver.configs() > before

    random = Random(0)
    for subject in attacks.REPLY_SUBJECTS:
        await driver.attack(attacks.with_reply(random, subject.format("SC-0")))
    await driver.wait_a_while(is_more)
    await driver.publish_and_store()


async def amplified_dead_letters(driver: Driver) -> None:
    """A message with many bad items and large headers."""
    await driver.attack(attacks.bad_items(Random(0), 500))
    await driver.publish_and_store()


# The hostile ones come last: `Driver.until_published` counts the messages of the streams, whoever they are from.
ALL: tuple[Scenario, ...] = (
    killed_before_commit, slow_commit, killed_before_publishing, killed_before_a_dead_letter, killed_after_publishing,
    late_message, changed_config, owner_that_lost_its_lease, owner_that_was_away, owner_that_was_stopped,
    killed_with_an_event_in_the_outbox, hostile_reply_subjects, amplified_dead_letters,
)  # fmt: skip
