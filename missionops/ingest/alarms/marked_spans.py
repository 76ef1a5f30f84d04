"""Which spans of a spacecraft's parameters are folded again: those that marks name, and what they leave open."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from missionops.domain import rule
from missionops.domain.episodes import episode as episodes
from missionops.domain.episodes.episode import Position
from missionops.ingest.alarms import in_order
from missionops.ingest.alarms.history import END, History
from missionops.ingest.alarms.memory import Key, SpacecraftMemory
from missionops.ingest.alarms.rule_versions import RuleVersions
from missionops.store import alarm_marks, alarms, anomalies, config_checks
from missionops.store.alarm_marks import Marked
from missionops.store.database import Connection


class MarkedSpan(NamedTuple):
    """A span of one parameter and check that is to be folded again."""

    first: Position
    last: Position
    """The end of time: up to the newest snapshot."""
    is_late: bool


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
    whole: list[MarkedSpan] = []
    for mark in marked.marks:
        if mark.first is None or mark.last is None:
            continue
        if mark.parameter is None or mark.check is None:
            whole.append(MarkedSpan(mark.first, mark.last, mark.is_late))
        else:
            key = mark.parameter, rule.PLACES[mark.check]
            spans.setdefault(key, []).append(MarkedSpan(mark.first, mark.last, mark.is_late))
    everything = [one._replace(last=END) for one in whole]
    everything += [MarkedSpan(episodes.end_of(time), END, is_late=False) for time in began.values()]
    if not everything and memory.is_known:
        return spans
    if not everything:  # this owner has not met it yet: where its folds stand is found as well
        async for newest in stored.history.before(END):
            everything.append(MarkedSpan(newest.position, END, is_late=False))
            break
        else:
            return spans
    for key in {*memory.live, *await _not_quiet(stored, min(one.first for one in everything), whole)}:
        spans.setdefault(key, []).extend(everything)
    memory.live = {}
    return spans


async def _not_quiet(stored: StoredHistory, first: Position, marked: Iterable[MarkedSpan]) -> set[Key]:
    """The checks that may have more than nothing to tell after a position.

    They have an alarm there, or may raise one by more than the next snapshot, or have an anomaly in a marked one.
    """
    connection, spacecraft_id, history, _ = stored
    found = await alarms.keys_from(connection, spacecraft_id, first)
    found |= await config_checks.beyond_one_snapshot(connection, spacecraft_id)
    keys = {(name, rule.PLACES[check]) for name, check in found}
    has_misdated = await history.has_misdated()
    for span in merged(marked):
        kinds = await anomalies.kinds(connection, spacecraft_id, (span.first, span.last), has_misdated=has_misdated)
        keys |= {in_order.key_of(parameter, kind) for parameter, kind in kinds}
    return keys


async def config_starts(stored: StoredHistory) -> dict[int, int]:
    """From when on configs that were set since end what they do not check, by version."""
    began = {}
    for version, updated_at in await alarm_marks.new_configs(stored.connection, stored.spacecraft_id):
        began[version] = updated_at
        async for snapshot in stored.history.before(END):
            if snapshot.version < version:
                began[version] = max(updated_at, snapshot.position[0])
                break
    return began


def merged(spans: Iterable[MarkedSpan]) -> list[MarkedSpan]:
    """These spans in order, those that overlap as one."""
    found: list[MarkedSpan] = []
    for one in sorted(spans):
        if found and one.first <= found[-1].last:
            before = found.pop()
            one = MarkedSpan(before.first, max(before.last, one.last), before.is_late or one.is_late)  # noqa: PLW2901
        found.append(one)
    return found
