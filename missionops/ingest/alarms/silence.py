"""SILENT: an alarm for a spacecraft from which nothing is received for longer than its silentAfter."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from missionops.domain import alarm as alarms_domain
from missionops.domain import timestamp
from missionops.domain.alarm import Alarm
from missionops.domain.anomaly import Limit
from missionops.domain.episodes import episode as episodes
from missionops.domain.episodes.episode import Episode, Facts, Rise
from missionops.domain.recompute.matching import GoesOn
from missionops.domain.severity import Severity
from missionops.domain.timestamp import SECOND
from missionops.ingest.alarms import writing
from missionops.ingest.alarms.rule_texts import RuleTexts
from missionops.store import alarms, silence
from missionops.store.database import Connection
from missionops.store.silence import Silent
from missionops.store.spacecraft import Reception

SEVERITY = Severity.HIGH


class Silence:
    """The open alarms of spacecraft that are silent."""

    def __init__(self) -> None:
        self._open: dict[str, Alarm] | None = None
        """By spacecraft; None until they were read."""

    async def end(self, connection: Connection, received: Iterable[Reception]) -> None:
        """End the alarms of spacecraft from which something was received, in the transaction of its batch."""
        if self._open is None:
            self._open = {one.spacecraft_id: one for one in await silence.told(connection)}
        if not self._open:
            return
        ended = {}
        for reception in received:
            if alarm := self._open.pop(reception.spacecraft_id, None):
                ended[alarm.id] = _ended(alarm.episode, reception.received)
        await writing.write(connection, 0, (), ended, RuleTexts())

    async def find(self, connection: Connection, partition: int, now: datetime) -> None:
        """Raise and end alarms by the time of the stream, all of which is handled, in a transaction of its own."""
        found = [_alarm(one, now) for one in await silence.found(connection, now)]
        if found:
            await alarms.note_shelved_and_masked(connection, found, now)
            told = [step for alarm in found for step in alarm.begin(now)]
            await alarms.add(connection, partition, found)
            await alarms.tell(connection, told)
        if unmonitored := await silence.unmonitored(connection):
            locked = await alarms.lock(connection, unmonitored)
            ended = {
                name: _ended(locked[name].episode, time, is_unmonitored=True) for name, time in unmonitored.items()
            }
            await writing.write(connection, partition, (), ended, RuleTexts())
        self._open = None  # read again once this is committed


def _alarm(silent: Silent, now: datetime) -> Alarm:
    start = silent.since + int(silent.seconds * SECOND)
    moment = timestamp.to_microseconds(now)
    rise = Rise(SEVERITY.level, (moment, moment, ""), "silentAfter", silent.seconds, silent.version)
    seconds = int(silent.seconds) if silent.seconds.is_integer() else silent.seconds
    return Alarm(
        writing.new_id(),
        silent.spacecraft_id,
        "",
        alarms_domain.SILENT,
        Episode(start, episodes.beginning_of(start), [rise], Facts(level=SEVERITY.level)),
        alarms_domain.Cause(
            Limit("silentAfter", seconds),
            silent.version,
            f"Nothing received for longer than silentAfter {seconds}",
        ),
        found_at=now,
        updated_at=now,
    )


def _ended(episode: Episode, time: int, *, is_unmonitored: bool = False) -> GoesOn:
    ended = msgspec.structs.replace(episode)
    time = max(time, episode.start)
    ended.close((time, time, ""), time, "unmonitored" if is_unmonitored else None)
    return GoesOn(ended, is_revised=False, has_risen=False, has_returned=True, is_active_again=False)
