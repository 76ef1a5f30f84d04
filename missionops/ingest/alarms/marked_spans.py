"""Which spans of a spacecraft's parameters are folded again: those that marks name, and what they leave open."""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import NamedTuple

from missionops.domain import rule
from missionops.domain.episodes import episode as episodes
from missionops.domain.episodes.episode import Position
from missionops.ingest.alarms import late
from missionops.ingest.alarms.late import History, MarkedSpan
from missionops.ingest.alarms.memory import Key, SpacecraftMemory
from missionops.ingest.alarms.rule_versions import RuleVersions
from missionops.store import alarm_marks, alarms, config_checks
from missionops.store.alarm_marks import Marked
from missionops.store.database import Connection

_GAP = 3_600_000_000
"""Marked snapshots that are less than so many microseconds apart are read at once, with what lies between them."""


class StoredHistory(NamedTuple):
    """What is stored of a spacecraft: its snapshots, and the config versions that judged them."""

    connection: Connection
    spacecraft_id: str
    history: History
    versions: RuleVersions


async def chosen(
    stored: StoredHistory, memory: SpacecraftMemory, marked: Marked, began: Mapping[int, int]
) -> dict[Key, list[MarkedSpan]]:
    """What is to be folded again, by parameter and check; `began` says from when on new configs end checks."""
    spans = dict[Key, list[MarkedSpan]]()
    everything = [MarkedSpan(episodes.end_of(time), late.END, is_late=False) for time in began.values()]
    for mark in marked.marks:
        if mark.first is None or mark.last is None:
            continue
        if mark.parameter is None or mark.check is None:
            everything.append(MarkedSpan(mark.first, late.END, mark.is_late))
        else:
            key = mark.parameter, rule.PLACES[mark.check]
            spans.setdefault(key, []).append(MarkedSpan(mark.first, mark.last, mark.is_late))
    if not everything and memory.is_known:
        return spans
    if not everything:  # this owner has not met it yet: where its folds stand is found as well
        async for newest in stored.history.before(late.END):
            everything.append(MarkedSpan(newest.position, late.END, is_late=False))
            break
        else:
            return spans
    keys = await _not_quiet(stored, min(one.first for one in everything))
    async for violated in _violated(stored, marked):
        keys |= violated
    for key in (*keys, *(memory.live.keys() - keys)):
        spans.setdefault(key, []).extend(everything)
    memory.live = {}
    return spans


async def _not_quiet(stored: StoredHistory, first: Position) -> set[Key]:
    """The checks with an alarm after a position, and those that may raise one by more than the next snapshot."""
    found = await alarms.keys_from(stored.connection, stored.spacecraft_id, first)
    found |= await config_checks.beyond_one_snapshot(stored.connection, stored.spacecraft_id)
    return {(name, rule.PLACES[check]) for name, check in found}


async def _violated(stored: StoredHistory, marked: Marked) -> AsyncIterator[set[Key]]:
    """The checks for which a marked snapshot is an anomaly; those of others have an alarm if they need one."""
    whole = [
        MarkedSpan(mark.first, mark.last, mark.is_late)
        for mark in marked.marks
        if mark.first and mark.last and mark.parameter is None
    ]
    for first, last, _ in merged(whole, gap=_GAP):
        async for snapshot in stored.history.after(episodes.beginning_of(first[0])):
            if snapshot.position > last:
                break
            yield {*(await stored.versions.of(snapshot.version)).violated(snapshot.values)}


async def config_starts(stored: StoredHistory) -> dict[int, int]:
    """From when on configs that were set since end what they do not check, by version."""
    began = {}
    for version, updated_at in await alarm_marks.new_configs(stored.connection, stored.spacecraft_id):
        began[version] = updated_at
        async for snapshot in stored.history.before(late.END):
            if snapshot.version < version:
                began[version] = max(updated_at, snapshot.position[0])
                break
    return began


def merged(spans: Iterable[MarkedSpan], *, gap: int = 0) -> list[MarkedSpan]:
    """These spans in order, those that overlap as one, and those that are less than `gap` microseconds apart."""
    found: list[MarkedSpan] = []
    for one in sorted(spans):
        if found and (one.first <= found[-1].last or one.first[0] - found[-1].last[0] < gap):
            before = found.pop()
            one = MarkedSpan(before.first, max(before.last, one.last), before.is_late or one.is_late)  # noqa: PLW2901
        found.append(one)
    return found
