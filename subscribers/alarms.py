"""Transitions of alarms from the stream ALARMS, taken in for notifications.

One durable consumer serves all instances; a transition is acknowledged once what it causes is in the database.
FastStream reads and hands over; whether the consumer is there is looked after here, since FastStream would go on asking
for one that somebody has deleted, without an end and without a word.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import nats.errors
from faststream import AckPolicy
from faststream.nats import JStream, NatsMessage, NatsRouter, PullSub
from nats.aio.client import Client
from nats.aio.msg import Msg

from missionops.broker import jetstream, streams
from missionops.broker.jetstream import ApiError, ErrorCode
from missionops.domain.alarm import AlarmMessage
from missionops.errors import MissionopsError, Unavailable
from missionops.logs import RepeatFilter
from missionops.notifications.notifier import Notifier
from missionops.store import database
from subscribers.middlewares import undecoded

log = logging.getLogger(__name__)

CONSUMER = "missionops-notifications"

_BATCH = 100
"""Messages that are taken in at once, of up to some 200 kB each."""
_LINGER = 0.25
"""Seconds for which a batch that is not full waits for more."""
_PAUSE = 1.0
"""Seconds before another attempt, while the database is away."""
_LOOK = 5.0
"""Seconds between two looks at the consumer."""
_ACK_WAIT = 10
"""Seconds after which a transition comes again that was fetched and not acknowledged, as by a process that is gone."""

_decode = msgspec.json.Decoder(AlarmMessage).decode


class AlarmRouter(NatsRouter):
    """The FastStream subscriber of `alarms.*`."""

    def __init__(self, client: Client, notifier: Notifier, inbox_prefix: str) -> None:
        """`inbox_prefix`: where this user of NATS may listen to replies."""
        super().__init__(decoder=undecoded, ack_policy=AckPolicy.MANUAL)
        self._client = client
        self.notifier = notifier
        self._repeats = RepeatFilter()
        self.subscriber(
            "alarms.*",
            durable=CONSUMER,
            stream=JStream(streams.ALARMS, declare=False),
            pull_sub=PullSub(batch_size=_BATCH, timeout=_LINGER, batch=True),
            inbox_prefix=f"{inbox_prefix}.".encode(),
            include_in_schema=False,
        )(self._handle)

    async def provide(self) -> None:
        """Create the consumer where it is absent, from what was taken in last; waits for a database that is away."""
        while True:
            try:
                await self._look()
            except Unavailable as error:
                if self._repeats.is_new(str(error)):
                    log.warning("notifications wait: %s", error)
                await asyncio.sleep(_PAUSE)
            else:
                return

    async def watch(self) -> None:
        """Look after the consumer until cancelled."""
        while True:
            await asyncio.sleep(_LOOK)
            try:
                await self._look()
            except Exception as error:
                is_expected = isinstance(error, (MissionopsError, nats.errors.Error)) or database.is_outage(error)
                if self._repeats.is_new(f"{type(error).__name__} {error}"):
                    log.log(logging.WARNING if is_expected else logging.ERROR,
                            "it is not known how many alarms wait to be told: %s", error,
                            exc_info=None if is_expected else error)  # fmt: skip

    async def _look(self) -> None:
        """Note how much waits in the stream; create the consumer where it is absent."""
        try:
            info = await jetstream.request(self._client, f"CONSUMER.INFO.{streams.ALARMS}.{CONSUMER}")
        except ApiError as error:
            if error.error_code == ErrorCode.STREAM_NOT_FOUND:
                return  # its publisher makes it anew
            if error.error_code != ErrorCode.CONSUMER_NOT_FOUND:
                raise
            since = await self.notifier.intake.begin()
            config = {
                "durable_name": CONSUMER,
                "deliver_policy": "by_start_time",
                "opt_start_time": since.astimezone(UTC).isoformat().replace("+00:00", "Z"),
                "ack_policy": "explicit",
                "ack_wait": _ACK_WAIT * 1_000_000_000,
                "max_deliver": -1,
                "max_ack_pending": 10 * _BATCH,
                "replay_policy": "instant",
            }
            create = {"stream_name": streams.ALARMS, "config": config}
            await jetstream.request(self._client, f"CONSUMER.CREATE.{streams.ALARMS}.{CONSUMER}", create)
            return
        waiting = int(info.get("num_pending", 0)) + int(info.get("num_ack_pending", 0))
        self.notifier.status.note_behind(waiting, self.notifier.now())

    async def _handle(self, batch: NatsMessage) -> None:
        """Take in a batch, and acknowledge it; while the database is away it waits here, and the rest in the stream."""
        raw: Any = batch.raw_message
        messages: Sequence[Msg] = raw
        found: list[AlarmMessage] = []
        for message in messages:
            try:
                found.append(_decode(message.data))
            except msgspec.DecodeError:
                log.warning("a message on %s is no transition of an alarm: nobody is told of it", message.subject)
        until = messages[-1].metadata.timestamp
        while not await self._take(found, until):  # noqa: ASYNC110 - nothing announces that the database is back
            await asyncio.sleep(_PAUSE)
        for message in messages:
            await message.ack()

    async def _take(self, messages: Sequence[AlarmMessage], until: datetime) -> bool:
        """Whether they were taken in. One that only a fault of ours can refuse keeps no other from being told."""
        try:
            await self.notifier.intake.take(messages, until)
        except Exception as error:
            if isinstance(error, MissionopsError) or database.is_outage(error):
                if self._repeats.is_new(str(error)):
                    log.warning("notifications wait: %s", error)
                return False
            if len(messages) > 1:
                return all([await self._take([one], until) for one in messages])
            log.exception("nobody is told of the alarm %s", messages[0].alarm.id)
        return True
