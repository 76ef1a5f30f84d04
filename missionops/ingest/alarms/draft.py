"""Drafts: what is marked of one spacecraft, folded again from what is stored, before it is kept."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from missionops.domain import rule
from missionops.domain.alarm import Alarm
from missionops.domain.episodes.episode import Position
from missionops.ingest.alarms import marked_spans
from missionops.ingest.alarms.history import END
from missionops.ingest.alarms.known_alarms import KnownAlarms
from missionops.ingest.alarms.marked_spans import MarkedSpan, StoredHistory
from missionops.ingest.alarms.memory import Key, LiveFold, SpacecraftMemory
from missionops.ingest.alarms.refold import Refold
from missionops.store import alarm_marks, alarms, configs
from missionops.store.alarm_marks import Marked

_KEYS_AT_ONCE = 50
"""Checks of which rules and alarms are read together."""
_MOST_PRELOADED = 2_000
"""Alarms that are read at once, of some kB each."""


class Draft(NamedTuple):
    """What became of a spacecraft's alarms."""

    base: SpacecraftMemory
    """What was remembered when it was begun."""
    changes: int
    """How many batches it had had by then."""
    was_known: bool
    """Whether batches fold at once what they bring of it; else they mark it."""
    memory: SpacecraftMemory
    """What is to be remembered."""
    marked: Marked
    """What was worked off."""
    began: Mapping[int, int]
    """New configs, and from when on each ends what it does not check."""
    found: Sequence[KnownAlarms]


async def made(stored: StoredHistory, base: SpacecraftMemory, memory: SpacecraftMemory) -> Draft | None:
    """What is marked of a spacecraft, folded again; `memory` is a copy of `base`. None if nothing is marked."""
    was_known, changes = memory.is_known, memory.changes
    marked = await alarm_marks.of(stored.connection, stored.spacecraft_id)
    if not marked.marks:
        return None
    began = await marked_spans.config_starts(stored)
    await stored.versions.load(began)
    found = await _fold(stored, memory, await marked_spans.chosen(stored, memory, marked, began))
    await _settle(stored, memory)
    return Draft(base, changes, was_known, memory, marked, began, found)


async def _fold(
    stored: StoredHistory, memory: SpacecraftMemory, spans: Mapping[Key, Sequence[MarkedSpan]]
) -> list[KnownAlarms]:
    """Fold spans again, and remember where the folds stand; returns what became of alarms."""
    connection, spacecraft_id, history, versions = stored
    since = min((span.first for of_key in spans.values() for span in of_key), default=END)
    found, keys = [], [*spans]
    for number, (key, of_key) in enumerate(spans.items()):
        if number % _KEYS_AT_ONCE == 0:
            next_keys = keys[number : number + _KEYS_AT_ONCE]
            history.prepare([*{name for name, _ in next_keys}])
            preloaded = await _preloaded(stored, next_keys, since)
        known = KnownAlarms(connection, spacecraft_id, key)
        if preloaded is not None:
            known.preload(preloaded.get(key, ()), since, END)
        refold = Refold(history, versions, key, known)
        await history.pace.rest()
        for span in marked_spans.merged(of_key):
            fold = await refold.fold(span)
            opened = known.open
            if fold:
                memory.keep(key, LiveFold(fold, opened.id if opened else None))
            elif key in memory.live and opened:
                memory.live[key] = LiveFold(
                    msgspec.structs.replace(memory.live[key].fold, episode=opened.now), opened.id
                )
        await refold.count_samples()
        if known.has_changed:
            found.append(known)
    return found


async def _preloaded(
    stored: StoredHistory, keys: Sequence[Key], since: Position
) -> Mapping[Key, Sequence[Alarm]] | None:
    """The alarms of these checks since a position, by one query for all; None where they are too many."""
    wanted = [(name, rule.KINDS[kind]) for name, kind in keys]
    alarms_found = await alarms.of_keys(stored.connection, stored.spacecraft_id, wanted, since, _MOST_PRELOADED)
    if len(alarms_found) >= _MOST_PRELOADED:
        return None
    found = dict[Key, list[Alarm]]()
    for one in alarms_found:
        found.setdefault((one.parameter, rule.PLACES[one.check]), []).append(one)
    return found


async def _settle(stored: StoredHistory, memory: SpacecraftMemory) -> None:
    """Note where the spacecraft stands now."""
    connection, spacecraft_id, history, versions = stored
    memory.is_known = True
    async for one in history.before(END):
        memory.note(dict, one.position)
        break
    version = await configs.version_in_force(connection, spacecraft_id)
    memory.version = max(memory.version, version)
    newest = max((position[0] for position in memory.newest.values()), default=None)
    memory.coming = [one for one in versions.starts if newest is None or one[0] > newest]
    memory.ended = frozenset()
    if others := [other for _, other in memory.coming if other != version]:
        in_force = await versions.in_force()
        memory.ended = frozenset([key for key in in_force for other in others if await versions.lacks(other, key)])
    closed = await alarms.newest_closed(connection, [spacecraft_id])
    if spacecraft_id in closed:
        memory.close(closed[spacecraft_id])
