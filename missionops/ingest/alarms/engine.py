"""The alarm engine of a session: takes what batches store, and works off what they marked.

One of the two goes on at a time, under `lock`, from what it reads to its commit: what is remembered is always that of
the last transaction that was committed.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import msgspec

from missionops.domain import rule
from missionops.domain.alarm import Alarm
from missionops.domain.episodes import episode as episodes
from missionops.domain.episodes.episode import Position
from missionops.domain.limits import Rules
from missionops.ingest.alarms import in_order, late, writing
from missionops.ingest.alarms.in_order import Findings, InOrder, JudgedEntries, PlacedEntries
from missionops.ingest.alarms.known_alarms import KnownAlarms
from missionops.ingest.alarms.late import History, MarkedSpan, Refold
from missionops.ingest.alarms.memory import AlarmMemory, Key, LiveFold, SpacecraftMemory
from missionops.ingest.alarms.rule_texts import RuleTexts
from missionops.ingest.alarms.rule_versions import RuleVersions
from missionops.ingest.alarms.silence import Silence
from missionops.store import alarm_marks, alarms, configs, database
from missionops.store.alarm_marks import Mark
from missionops.store.database import Connection
from missionops.store.judged_snapshots import JudgedSnapshots
from missionops.store.parameter_sets import ParameterNames
from missionops.store.reception import Reception

log = logging.getLogger(__name__)

ReadRules = Callable[[Connection, Mapping[str, int]], AsyncIterator[tuple[str, Rules]]]
"""The rules of these versions by spacecraft; none of version 0."""

_FEW_KEYS = 20
_MOST_PRELOADED = 5_000
"""Alarms that are read at once, of some kB each."""

Fence = Callable[[Connection], Awaitable[None]]
"""Raises OwnershipLost if another instance has claimed the partition."""

_TRIES = 3
_LONGEST = 2.0
"""Seconds for which batches wait at most."""

_KINDS = {name: place for place, name in enumerate(rule.KINDS)}


class AlarmEngine:
    """Finds the alarms of one partition, for as long as its owner keeps it."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self._memory = AlarmMemory()
        self._names = ParameterNames()
        self._texts = RuleTexts()
        self.silence = Silence()
        self.lock = asyncio.Lock()
        self.marked = asyncio.Event()
        """Set when something was marked."""

    async def take(
        self,
        connection: Connection,
        judged: Mapping[str, JudgedEntries],
        received: Iterable[Reception],
        read_rules: ReadRules,
    ) -> None:
        """Find the alarms in what a batch stores, in its transaction; the caller holds the lock until its commit."""
        await self.silence.end(connection, received)
        self._memory.make_room()
        await self._meet(connection, judged)
        for spacecraft_id in judged:
            self._known(spacecraft_id).changes += 1
        wanted = {
            spacecraft_id: one
            for spacecraft_id, one in judged.items()
            if not in_order.is_quiet(self._known(spacecraft_id), one)
        }
        if not wanted:
            return
        try:
            async with connection.transaction():
                await self._find(connection, wanted, read_rules)
        except Exception as error:
            if connection.is_closed() or database.is_outage(error):
                raise
            # A fault of ours costs alarms some time, and no telemetry: the worker tries again, one by one.
            log.exception("alarms of %d spacecraft are found later", len(wanted))
            for spacecraft_id in wanted:
                self._memory.forget(spacecraft_id)
            await self._mark(connection, wanted)

    async def _mark(self, connection: Connection, judged: Mapping[str, JudgedEntries]) -> None:
        """Have the alarms in these snapshots found by the worker."""
        findings = Findings()
        for spacecraft_id, one in judged.items():
            snapshots = PlacedEntries(one)
            findings.misdated += [(spacecraft_id, position) for position in snapshots.misdated]
            findings.marks.append(Mark(spacecraft_id, None, None, snapshots[0].position, snapshots[-1].position))
        await alarm_marks.add_misdated(connection, findings.misdated)
        await alarm_marks.add(connection, findings.marks)
        self.marked.set()

    async def _find(self, connection: Connection, judged: Mapping[str, JudgedEntries], read_rules: ReadRules) -> None:
        """Find the alarms in snapshots that may change some."""
        findings = Findings()
        for spacecraft_id, one in judged.items():
            if not one.version:
                await self._take(connection, spacecraft_id, one, Rules({}), findings)
        versions = {spacecraft_id: one.version for spacecraft_id, one in judged.items()}
        async for spacecraft_id, rules in read_rules(connection, versions):
            await self._take(connection, spacecraft_id, judged[spacecraft_id], rules, findings)
        # All at once, in one order: an operator's action locks several, too.
        await alarms.hold(connection, {*findings.changed, *findings.updated})
        await writing.write(connection, self.partition, findings.new, findings.changed, self._texts)
        await alarms.change_episodes(connection, list(findings.updated.items()))
        await alarm_marks.add_misdated(connection, findings.misdated)
        await alarm_marks.add(connection, findings.marks)
        if findings.marks:
            self.marked.set()

    def _known(self, spacecraft_id: str) -> SpacecraftMemory:
        found = self._memory.get(spacecraft_id)
        if found is None:
            raise AssertionError("the spacecraft of a batch were met")
        return found

    async def _meet(self, connection: Connection, judged: Mapping[str, JudgedEntries]) -> None:
        """Remember spacecraft that are not remembered; nothing was found of those that were never heard."""
        unknown = [spacecraft_id for spacecraft_id in judged if self._memory.get(spacecraft_id) is None]
        if unknown:
            heard = await alarm_marks.newest_times(connection, unknown)
            for spacecraft_id in unknown:
                is_known = spacecraft_id not in heard or not judged[spacecraft_id].version
                self._memory.begin(spacecraft_id, is_known=is_known)

    async def _take(
        self, connection: Connection, spacecraft_id: str, judged: JudgedEntries, rules: Rules, findings: Findings
    ) -> None:
        memory = self._known(spacecraft_id)
        snapshots = PlacedEntries(judged)
        findings.misdated += [(spacecraft_id, position) for position in snapshots.misdated]
        first, last = snapshots[0].position, snapshots[-1].position
        if judged.version < memory.version:  # a config was set while this batch was on its way
            await alarm_marks.postpone_configs(connection, spacecraft_id, judged.version, last[0])
            memory.is_known = False
        touched = {*memory.live, *rules.with_memory, *chain.from_iterable(judged.anomalous.values())}
        if memory.coming and (judged.version > memory.version or not memory.ended.isdisjoint(touched)):
            # What an earlier version ends lies in the middle of what is folded now, or after it.
            memory.is_known = memory.is_known and not touched
        memory.coming = [one for one in memory.coming if one[0] > last[0]]
        if memory.newest and not memory.live.keys() >= set(rules.with_memory):
            memory.is_known = False  # a new check, to which what was reported before matters
        if not memory.is_known:
            newest = await alarm_marks.newest_times(connection, [spacecraft_id])
            is_late = first[0] <= newest.get(spacecraft_id, first[0] - 1)
            findings.marks.append(Mark(spacecraft_id, None, None, first, last, is_late=is_late))
            return
        memory.version = max(memory.version, judged.version)
        folding = InOrder(spacecraft_id, memory, judged.version, rules, findings)
        folding.take(snapshots)
        if folding.late:
            old = await alarms.keys_from(connection, spacecraft_id, folding.late[0].position)
            keys = {(parameter, _KINDS[check]) for parameter, check in old}
            keys |= await self._with_memory(connection, spacecraft_id, memory)
            findings.marks += in_order.marks_of(spacecraft_id, folding.late, memory, keys)

    async def _with_memory(
        self, connection: Connection, spacecraft_id: str, memory: SpacecraftMemory
    ) -> frozenset[Key]:
        """The checks of any config that every snapshot matters to, also one that a version without them judged."""
        version, keys = memory.with_memory
        if version != memory.version:
            found = await alarms.keys_with_memory(connection, spacecraft_id)
            keys = frozenset((parameter, _KINDS[check]) for parameter, check in found)
            memory.with_memory = memory.version, keys
        return keys

    async def work_off(self, connection: Connection, spacecraft_id: str, fence: Fence) -> None:
        """Fold again what is marked of a spacecraft, in a transaction of its own that ends with `fence`.

        Batches go on meanwhile. Only where one brings more of this spacecraft each time they have to wait in the end,
        for a bounded time: TimeoutError if that is not enough.
        """
        for _ in range(_TRIES):
            async with self.lock:  # no batch is between its finding and its commit
                base = self._base(spacecraft_id)
                changes, memory = base.changes, base.copy()
            async with contextlib.AsyncExitStack() as until_committed, connection.transaction():
                draft = await self._draft(connection, spacecraft_id, base, changes, memory=memory)
                await until_committed.enter_async_context(self.lock)
                if draft is None or await self._finish(connection, draft, fence):
                    return
        async with self.lock, asyncio.timeout(_LONGEST), connection.transaction():
            base = self._base(spacecraft_id)
            if draft := await self._draft(connection, spacecraft_id, base, base.changes, memory=base.copy()):
                await self._finish(connection, draft, fence)

    def _base(self, spacecraft_id: str) -> SpacecraftMemory:
        return self._memory.get(spacecraft_id) or self._memory.begin(spacecraft_id, is_known=False)

    async def _draft(
        self,
        connection: Connection,
        spacecraft_id: str,
        base: SpacecraftMemory,
        changes: int,
        *,
        memory: SpacecraftMemory,
    ) -> "_Draft | None":
        """What is marked of a spacecraft, folded again; None if nothing is."""
        marked = await alarm_marks.of(connection, spacecraft_id)
        if not marked.marks:
            return None
        history = History(JudgedSnapshots(connection, spacecraft_id, self._names))
        versions = RuleVersions(connection, spacecraft_id)
        began = await self._begin_configs(connection, spacecraft_id, history)
        await versions.load(began)
        spans = await self._spans(connection, memory, marked, began, history=history, versions=versions)
        found = await self._fold(connection, spacecraft_id, memory, spans, history=history, versions=versions)
        await self._settle(connection, spacecraft_id, memory, history, versions)
        return _Draft(base, changes, memory, marked, began, found)

    async def _finish(self, connection: Connection, draft: "_Draft", fence: Fence) -> bool:
        """Keep a draft, unless there was more of its spacecraft meanwhile."""
        spacecraft_id = draft.marked.spacecraft_id
        if self._memory.get(spacecraft_id) is not draft.base or draft.base.changes != draft.changes:
            return False
        for version, time in draft.began.items():
            await alarm_marks.begin_config(connection, spacecraft_id, version, time)
        new = [one for known in draft.found for one in known.new()]
        changed = {name: becomes for known in draft.found for name, becomes in known.changed()}
        await writing.write(connection, self.partition, new, changed, self._texts)
        await alarm_marks.remove(connection, draft.marked)
        await fence(connection)
        # Before the commit: if that fails, the caller has it forgotten.
        self._memory.put(spacecraft_id, draft.memory)
        return True

    async def _fold(
        self,
        connection: Connection,
        spacecraft_id: str,
        memory: SpacecraftMemory,
        spans: Mapping[Key, Sequence[MarkedSpan]],
        *,
        history: History,
        versions: RuleVersions,
    ) -> list[KnownAlarms]:
        """Fold spans again, and remember where the folds stand; returns what became of alarms."""
        preloaded: dict[Key, list[Alarm]] = {}
        since = min((span.first for of_key in spans.values() for span in of_key), default=late.END)
        if len(spans) > _FEW_KEYS:  # one query for all instead of one for each
            for one in await alarms.all_from(connection, spacecraft_id, since, _MOST_PRELOADED):
                preloaded.setdefault((one.parameter, _KINDS[one.check]), []).append(one)
        is_whole = len(spans) > _FEW_KEYS and sum(map(len, preloaded.values())) < _MOST_PRELOADED
        found = []
        for number, (key, of_key) in enumerate(spans.items()):
            known = KnownAlarms(connection, spacecraft_id, key)
            if is_whole:
                known.preload(preloaded.get(key, ()), since, late.END)
            refold = Refold(history, versions, key, known)
            for span in merged(of_key):
                fold = await refold.fold(span)
                opened = known.open
                if fold:
                    memory.keep(key, LiveFold(fold, opened.id if opened else None))
                elif key in memory.live and opened:
                    memory.live[key] = LiveFold(
                        msgspec.structs.replace(memory.live[key].fold, episode=opened.now), opened.id
                    )
            found.append(known)
            if number % _FEW_KEYS == 0:
                await asyncio.sleep(0)
        return found

    def forget(self, spacecraft_id: str) -> None:
        """A transaction about a spacecraft failed: what comes next is folded with what is stored."""
        self._memory.forget(spacecraft_id)

    async def _settle(
        self,
        connection: Connection,
        spacecraft_id: str,
        memory: SpacecraftMemory,
        history: History,
        versions: RuleVersions,
    ) -> None:
        """Note where the spacecraft stands now."""
        memory.is_known = True
        async for one in history.before(late.END):
            memory.note(dict, one.position)
            break
        version = await configs.version_in_force(connection, spacecraft_id)
        memory.version = max(memory.version, version)
        newest = max((position[0] for position in memory.newest.values()), default=None)
        memory.coming = [one for one in versions.starts if newest is None or one[0] > newest]
        in_force = tuple((await versions.of(version)).checks)
        memory.ended = frozenset(
            [
                key
                for _, other in memory.coming
                if other != version
                for key in in_force
                if await versions.lacks(other, key)
            ]
        )
        closed = await alarms.newest_closed(connection, [spacecraft_id])
        if spacecraft_id in closed:
            memory.close(closed[spacecraft_id])

    async def _begin_configs(self, connection: Connection, spacecraft_id: str, history: History) -> dict[int, int]:
        """From when on new configs end what they do not check, by version."""
        began = {}
        for version, updated_at in await alarm_marks.new_configs(connection, spacecraft_id):
            began[version] = updated_at
            async for snapshot in history.before(late.END):
                if snapshot.version < version:
                    began[version] = max(updated_at, snapshot.position[0])
                    break
        return began

    async def _spans(
        self,
        connection: Connection,
        memory: SpacecraftMemory,
        marked: alarm_marks.Marked,
        began: Mapping[int, int],
        *,
        history: History,
        versions: RuleVersions,
    ) -> dict[Key, list[MarkedSpan]]:
        """What is to be folded again, by parameter and check."""
        spacecraft_id, spans = marked.spacecraft_id, dict[Key, list[MarkedSpan]]()
        everything = [MarkedSpan(episodes.end_of(time), late.END, is_late=False) for time in began.values()]
        for mark in marked.marks:
            if mark.first is None or mark.last is None:
                continue
            if mark.parameter is None or mark.check is None:
                everything.append(MarkedSpan(mark.first, late.END, mark.is_late))
            else:
                key = mark.parameter, _KINDS[mark.check]
                spans.setdefault(key, []).append(MarkedSpan(mark.first, mark.last, mark.is_late))
        if not everything and memory.is_known:
            return spans
        if not everything:  # this owner has not met it yet: where its folds stand is found as well
            async for newest in history.before(late.END):
                everything.append(MarkedSpan(newest.position, late.END, is_late=False))
                break
            else:
                return spans
        first = min(one.first for one in everything)
        for key in await self._keys(connection, spacecraft_id, first, history=history, versions=versions):
            spans.setdefault(key, []).extend(everything)
        for key in memory.live:
            spans.setdefault(key, []).extend(everything)
        memory.live = {}
        return spans

    async def _keys(
        self, connection: Connection, spacecraft_id: str, first: Position, *, history: History, versions: RuleVersions
    ) -> set[Key]:
        """The checks that may not be quiet after a position, and whatever may still raise an alarm there."""
        found = await alarms.keys_from(connection, spacecraft_id, first)
        found |= await alarms.keys_with_memory(connection, spacecraft_id)
        found |= await alarms.keys_with_persistence(connection, spacecraft_id)
        keys = {(name, _KINDS[check]) for name, check in found}
        async for snapshot in history.after(episodes.beginning_of(first[0])):
            keys.update((await versions.of(snapshot.version)).violated(snapshot.values))
        return keys


class _Draft(NamedTuple):
    """What became of a spacecraft's alarms, before it is kept."""

    base: SpacecraftMemory
    changes: int
    memory: SpacecraftMemory
    marked: alarm_marks.Marked
    began: Mapping[int, int]
    """New configs, and from when on each ends what it does not check."""
    found: Sequence[KnownAlarms]


def merged(spans: Iterable[MarkedSpan]) -> list[MarkedSpan]:
    """These spans in order, those that overlap as one."""
    found: list[MarkedSpan] = []
    for one in sorted(spans):
        if found and one.first <= found[-1].last:
            before = found.pop()
            one = MarkedSpan(before.first, max(before.last, one.last), before.is_late or one.is_late)  # noqa: PLW2901
        found.append(one)
    return found
