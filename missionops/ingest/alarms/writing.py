"""Keeps what became of alarms, and has it told, in the caller's transaction."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from missionops.domain import alarm as alarms_domain
from missionops.domain import rule, rule_document
from missionops.domain.alarm import Alarm, State, Told, Transition
from missionops.domain.episodes.episode import Episode
from missionops.domain.recompute.matching import GoesOn, Retracted
from missionops.ingest.alarms.memory import Key
from missionops.store import alarms, configs
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


async def write(
    connection: Connection, partition: int, new: Sequence[New], changed: Mapping[str, Becomes]
) -> Sequence[Told]:
    """Keep new alarms and what became of others, given by id, and tell it in that order."""
    if not new and not changed:
        return ()
    now = datetime.now(UTC)
    retracted = {name: becomes for name, becomes in changed.items() if isinstance(becomes, Retracted)}
    targets = {becomes.merged_into for becomes in retracted.values() if becomes.merged_into}
    wanted = {*changed, *targets} - {one.id for one in new}
    locked = await alarms.lock(connection, wanted) if wanted else {}
    rules = await _rules(connection, new, changed, locked)
    found = [_alarm(one, rules, now) for one in new]
    for identifier, becomes in changed.items():
        if isinstance(becomes, GoesOn):
            _explain(locked[identifier], becomes.episode, rules)
    await alarms.place(connection, [*found, *locked.values()], now)

    told: list[Told] = []
    for identifier, becomes in retracted.items():
        target = locked.get(becomes.merged_into or "")
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


def _alarm(new: New, rules: Mapping[tuple[str, int, str], Mapping[str, Any]], now: datetime) -> Alarm:
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


def _explain(alarm: Alarm, episode: Episode, rules: Mapping[tuple[str, int, str], Mapping[str, Any]]) -> None:
    """Say why its severity is what it is now, where that has changed."""
    if alarm.episode.rises[-1] == episode.rises[-1]:
        return
    rise = episode.rises[-1]
    given = rules.get((alarm.spacecraft_id, rise.version, alarm.parameter), {})
    alarm.cause = alarms_domain.cause(alarm.parameter, alarm.check, episode, given)
    alarm.masked_by, alarm.waits = given.get("maskedBy"), rise.waits


async def _rules(
    connection: Connection, new: Collection[New], changed: Mapping[str, Becomes], locked: Mapping[str, Alarm]
) -> dict[tuple[str, int, str], Mapping[str, Any]]:
    """What the rules that raised these alarms say for people, by spacecraft, version and parameter."""
    wanted: dict[str, set[tuple[int, str]]] = {}
    for one in new:
        wanted.setdefault(one.spacecraft_id, set()).add((one.episode.rises[-1].version, one.key[0]))
    for identifier, becomes in changed.items():
        alarm = locked[identifier]
        if isinstance(becomes, GoesOn) and alarm.episode.rises[-1] != becomes.episode.rises[-1]:
            pair = becomes.episode.rises[-1].version, alarm.parameter
            wanted.setdefault(alarm.spacecraft_id, set()).add(pair)
    found: dict[tuple[str, int, str], Mapping[str, Any]] = {}
    for spacecraft_id, pairs in wanted.items():
        versions, parameters = {version for version, _ in pairs}, {parameter for _, parameter in pairs}
        rules = await configs.rules(connection, spacecraft_id, versions, parameters)
        for (version, parameter), text in rules.items():
            given = msgspec.json.decode(text)
            found[spacecraft_id, version, parameter] = {
                name: given.get(name) for name in (*rule_document.TEXT_KEYS, "maskedBy")
            }
    return found
