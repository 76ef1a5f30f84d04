"""Keeps what became of alarms, and has it told, in the caller's transaction."""

import secrets
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any, NamedTuple

from missionops.domain import alarm as alarms_domain
from missionops.domain import rule
from missionops.domain.alarm import Alarm, State, Told, Transition
from missionops.domain.episodes.episode import Episode
from missionops.domain.recompute.matching import GoesOn, Retracted
from missionops.ingest.alarms.memory import Key
from missionops.ingest.alarms.rule_texts import RuleKey, RuleTexts
from missionops.store import alarms
from missionops.store.database import Connection

Becomes = GoesOn | Retracted[str]

_WAITING = {State.ACTIVE_UNACKNOWLEDGED, State.RETURNED_UNACKNOWLEDGED}


class New(NamedTuple):
    """An episode that is to become an alarm."""

    id: str
    spacecraft_id: str
    key: Key
    episode: Episode
    is_late: bool


def new_id() -> str:
    """The id of a new alarm: random, as its start and its opening may change."""
    return f"al_{secrets.token_hex(16)}"


class Beside(NamedTuple):
    """What else becomes of alarms in the same transaction."""

    active: AbstractSet[tuple[str, str]] = frozenset()
    """The parameters of spacecraft that have an active alarm by it."""
    changed: AbstractSet[str] = frozenset()
    """The ids of the alarms that change."""


_ALONE = Beside()


async def write(
    connection: Connection,
    partition: int,
    new: Sequence[New],
    changed: Mapping[str, Becomes],
    texts: RuleTexts,
    *,
    beside: Beside = _ALONE,
) -> Sequence[Told]:
    """Keep new alarms and what became of others, given by id, and tell it in that order."""
    if not new and not changed:
        return ()
    now = datetime.now(UTC)
    retracted = {name: becomes for name, becomes in changed.items() if isinstance(becomes, Retracted)}
    targets = {becomes.merged_into for becomes in retracted.values() if becomes.merged_into}
    wanted = {*changed, *targets} - {one.id for one in new}
    locked = await alarms.lock(connection, wanted) if wanted else {}
    risen = {
        identifier: becomes.episode
        for identifier, becomes in changed.items()
        if isinstance(becomes, GoesOn) and locked[identifier].episode.rises[-1] != becomes.episode.rises[-1]
    }
    raised = [(one.spacecraft_id, one.episode.rises[-1].version, one.key[0]) for one in new]
    raised += [
        (locked[name].spacecraft_id, one.rises[-1].version, locked[name].parameter) for name, one in risen.items()
    ]
    rules = await texts.of(connection, raised)
    found = [_alarm(one, rules, now) for one in new]
    for identifier, episode in risen.items():
        _explain(locked[identifier], episode, rules)
    all_of_them = [*found, *locked.values()]
    active = _active(all_of_them, changed) | beside.active
    await alarms.note_shelved_and_masked(connection, all_of_them, now, active, locked.keys() | beside.changed)

    told: list[Told] = []
    for identifier, end in retracted.items():
        target = locked.get(end.merged_into or "")
        if target and target.acknowledged and locked[identifier].state in _WAITING:
            target.acknowledged = None  # it goes on as one that nobody has taken note of
            if target.id not in changed:
                told.append(target.tell(Transition.REVISED, now))
    for identifier, becomes in changed.items():
        alarm = locked[identifier]
        if isinstance(becomes, GoesOn):
            told += alarm.go_on(becomes, now)
        else:
            told.append(alarm.retract(becomes.merged_into, now))
    for alarm in found:
        told += alarm.begin(now)
    await alarms.change(connection, locked.values())
    await alarms.add(connection, partition, found)
    await alarms.tell(connection, told)
    return told


def _active(all_of_them: Sequence[Alarm], changed: Mapping[str, Becomes]) -> set[tuple[str, str]]:
    """Which parameters of spacecraft have an active alarm among these, once they have changed."""
    active = set()
    for one in all_of_them:
        becomes = changed.get(one.id)
        is_gone = one.is_retracted or isinstance(becomes, Retracted)
        if not is_gone and (becomes.episode if isinstance(becomes, GoesOn) else one.episode).end is None:
            active.add((one.spacecraft_id, one.parameter))
    return active


def _alarm(new: New, rules: Mapping[RuleKey, Mapping[str, Any]], now: datetime) -> Alarm:
    parameter, kind = new.key
    check = rule.KINDS[kind]
    rise = new.episode.rises[-1]
    given = rules.get((new.spacecraft_id, rise.version, parameter), {})
    return Alarm(
        new.id,
        new.spacecraft_id,
        parameter,
        check,
        new.episode,
        alarms_domain.cause(parameter, check, new.episode, given),
        found_at=now,
        updated_at=now,
        masked_by=given.get("maskedBy"),
        waits=rise.waits,
        is_late=new.is_late,
    )


def _explain(alarm: Alarm, episode: Episode, rules: Mapping[RuleKey, Mapping[str, Any]]) -> None:
    """Say why its severity is what it is now."""
    rise = episode.rises[-1]
    given = rules.get((alarm.spacecraft_id, rise.version, alarm.parameter), {})
    alarm.cause = alarms_domain.cause(alarm.parameter, alarm.check, episode, given)
    alarm.masked_by = given.get("maskedBy")
