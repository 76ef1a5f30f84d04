"""The alarm engine of a session: takes what batches store, and works off what they marked.

One of the two goes on at a time, under `lock`, from what it reads to its commit: what is remembered is always that of
the last transaction that was committed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from itertools import chain

from missionops.domain import rule
from missionops.domain.episodes import episode as episodes
from missionops.domain.limits import Rules
from missionops.ingest.alarms import draft, in_order, writing
from missionops.ingest.alarms.draft import Draft
from missionops.ingest.alarms.history import History
from missionops.ingest.alarms.in_order import Findings, InOrder, JudgedEntries, PlacedEntries
from missionops.ingest.alarms.marked_spans import StoredHistory
from missionops.ingest.alarms.memory import AlarmMemory, Key, SpacecraftMemory
from missionops.ingest.alarms.pace import Pace
from missionops.ingest.alarms.rule_texts import RuleTexts
from missionops.ingest.alarms.rule_versions import RuleVersions
from missionops.ingest.alarms.silence import Silence
from missionops.ingest.alarms.writing import Beside
from missionops.ingest.limits_cache import LimitsCache
from missionops.store import alarm_marks, alarms, config_checks, database
from missionops.store.alarm_marks import Mark
from missionops.store.database import Connection
from missionops.store.judged_snapshots import JudgedSnapshots
from missionops.store.parameter_sets import ParameterNames
from missionops.store.spacecraft import Reception

log = logging.getLogger(__name__)

Fence = Callable[[Connection], Awaitable[None]]
"""Raises OwnershipLost if another instance has claimed the partition."""

_MOST_NEW = 2_000
"""Alarms that a batch raises at most; to keep and to tell one takes about a third of a millisecond."""
_DRAFTING = "SET LOCAL transaction_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = '300s'"
"""To fold years again may take minutes; nothing is locked meanwhile."""
_PORTION = 200
"""Checks of which the alarms are written together, of some 10 kB each while they are."""
_TRIES = 3
_LONGEST = 2.0
"""Seconds for which batches wait at most."""


class AlarmEngine:
    """Finds the alarms of one partition, for as long as its owner keeps it."""

    def __init__(self, partition: int, limits: LimitsCache) -> None:
        self.partition = partition
        self._limits = limits
        self._memory = AlarmMemory()
        self._names = ParameterNames()
        self._texts = RuleTexts()
        self.silence = Silence()
        self.lock = asyncio.Lock()
        self.marked = asyncio.Event()
        """Set when something was marked."""

    async def take(
        self, connection: Connection, judged: Mapping[str, JudgedEntries], received: Iterable[Reception]
    ) -> None:
        """Find the alarms in what a batch stores, in its transaction; the caller holds the lock until its commit."""
        await self.silence.end(connection, received)
        self._memory.make_room()
        await self._meet(connection, judged)
        wanted = {
            spacecraft_id: one
            for spacecraft_id, one in judged.items()
            if not in_order.is_quiet(self._known(spacecraft_id), one)
        }
        if too_many := self._too_many(wanted):
            # Their alarms take longer than a batch may: those of other spacecraft do not wait for them.
            for spacecraft_id in too_many:
                self._memory.forget(spacecraft_id)
            await self._mark(connection, {name: wanted.pop(name) for name in too_many})
        if not wanted:
            return
        try:
            async with connection.transaction():
                await self._find(connection, wanted)
        except Exception as error:
            if connection.is_closed() or database.is_outage(error):
                raise
            # A fault of ours costs alarms some time, and no telemetry: the worker tries again, one by one.
            log.exception("alarms of %d spacecraft are found later", len(wanted))
            for spacecraft_id in wanted:
                self._memory.forget(spacecraft_id)
            await self._mark(connection, wanted)

    def _too_many(self, judged: Mapping[str, JudgedEntries]) -> list[str]:
        """The spacecraft with the most alarms to be raised, if those of all are too many for one transaction."""
        new = {
            spacecraft_id: len({*chain.from_iterable(one.anomalous.values())} - self._known(spacecraft_id).live.keys())
            for spacecraft_id, one in judged.items()
        }
        total, found = sum(new.values()), []
        for spacecraft_id in sorted(new, key=new.__getitem__, reverse=True):
            if total <= _MOST_NEW:
                break
            total -= new[spacecraft_id]
            found.append(spacecraft_id)
        return found

    async def _postpone_configs(self, connection: Connection, spacecraft_id: str, memory: SpacecraftMemory) -> None:
        """Have configs end nothing before what earlier ones judged, and fold again what they have ended before that."""
        for version, until in memory.judged_until.items():
            ended_at = await alarm_marks.postpone_configs(connection, spacecraft_id, version, until)
            if ended_at is not None:
                first, last = episodes.beginning_of(ended_at), episodes.end_of(until)
                await alarm_marks.add(connection, [Mark(spacecraft_id, None, None, first, last, is_late=False)])
                self.marked.set()

    async def _mark(self, connection: Connection, judged: Mapping[str, JudgedEntries]) -> None:
        """Have the alarms in these snapshots found by the worker."""
        findings = Findings()
        for spacecraft_id, one in judged.items():
            snapshots = PlacedEntries(one)
            findings.misdated += [(spacecraft_id, position) for position in snapshots.misdated]
            findings.unknown[spacecraft_id] = snapshots[0].position, snapshots[-1].position
        await self._add_marks(connection, findings)

    async def _add_marks(self, connection: Connection, findings: Findings) -> None:
        """Keep what a batch has marked, and which of its snapshots are misdated."""
        newest = await alarm_marks.newest_times(connection, findings.unknown) if findings.unknown else {}
        await alarm_marks.add_misdated(connection, findings.misdated)
        for spacecraft_id, (first, last) in findings.unknown.items():
            is_late = first[0] <= newest.get(spacecraft_id, first[0] - 1)
            findings.marks.append(Mark(spacecraft_id, None, None, first, last, is_late=is_late))
        await alarm_marks.add(connection, findings.marks)
        if findings.marks:
            self.marked.set()

    async def _find(self, connection: Connection, judged: Mapping[str, JudgedEntries]) -> None:
        """Find the alarms in snapshots that may change some."""
        findings = Findings()
        for spacecraft_id, one in judged.items():
            if not one.version:
                await self._take(connection, spacecraft_id, one, Rules({}), findings)
        versions = {spacecraft_id: one.version for spacecraft_id, one in judged.items()}
        async for spacecraft_id, rules in self._limits.rules(connection, versions):
            await self._take(connection, spacecraft_id, judged[spacecraft_id], rules, findings)
        # All at once, in one order: an operator's action locks several, too.
        await alarms.hold(connection, {*findings.changed, *findings.updated})
        await writing.write(connection, self.partition, findings.new, findings.changed, self._texts)
        await alarms.change_episodes(connection, list(findings.updated.items()))
        await self._add_marks(connection, findings)

    def _known(self, spacecraft_id: str) -> SpacecraftMemory:
        found = self._memory.get(spacecraft_id)
        if found is None:
            raise AssertionError("the spacecraft of a batch were met")
        return found

    async def _meet(self, connection: Connection, judged: Mapping[str, JudgedEntries]) -> None:
        """Remember spacecraft that are not remembered, and up to when which config has judged them.

        Those that never sent anything have no alarms.
        """
        unknown = [spacecraft_id for spacecraft_id in judged if self._memory.get(spacecraft_id) is None]
        if unknown:
            newest = await alarm_marks.newest_times(connection, unknown)
            for spacecraft_id in unknown:
                is_known = spacecraft_id not in newest or not judged[spacecraft_id].version
                self._memory.begin(spacecraft_id, is_known=is_known)
        for spacecraft_id, one in judged.items():
            memory = self._known(spacecraft_id)
            memory.changes += 1
            if one.version < memory.version or not memory.is_known:
                until = PlacedEntries(one)[-1].position[0]
                memory.judged_until[one.version] = max(until, memory.judged_until.get(one.version, until))
            if one.version < memory.version:  # a config was set while this batch was on its way
                await self._postpone_configs(connection, spacecraft_id, memory)
                memory.is_known = False

    async def _take(
        self, connection: Connection, spacecraft_id: str, judged: JudgedEntries, rules: Rules, findings: Findings
    ) -> None:
        memory = self._known(spacecraft_id)
        snapshots = PlacedEntries(judged)
        findings.misdated += [(spacecraft_id, position) for position in snapshots.misdated]
        first, last = snapshots[0].position, snapshots[-1].position
        touched = {*memory.live, *rules.with_memory, *chain.from_iterable(judged.anomalous.values())}
        if memory.coming and (judged.version > memory.version or not memory.ended.isdisjoint(touched)):
            # What an earlier version ends lies in the middle of what is folded now, or after it.
            memory.is_known = memory.is_known and not touched
        memory.coming = [one for one in memory.coming if one[0] > last[0]]
        if memory.newest and not memory.live.keys() >= set(rules.with_memory):
            memory.is_known = False  # a new check, to which what was reported before matters
        if not memory.is_known:
            findings.unknown[spacecraft_id] = first, last
            return
        memory.version = max(memory.version, judged.version)
        folding = InOrder(spacecraft_id, memory, judged.version, rules, findings)
        folding.take(snapshots)
        if folding.late:
            old = await alarms.keys_from(connection, spacecraft_id, folding.late[0].position)
            keys = {(parameter, rule.PLACES[check]) for parameter, check in old}
            keys |= await self._with_memory(connection, spacecraft_id, memory)
            findings.marks += in_order.marks_of(spacecraft_id, folding.late, memory, keys)

    async def _with_memory(
        self, connection: Connection, spacecraft_id: str, memory: SpacecraftMemory
    ) -> frozenset[Key]:
        """The checks of any config that every snapshot matters to, also one that a version without them judged."""
        version, keys = memory.with_memory
        if version != memory.version:
            found = await config_checks.with_memory(connection, spacecraft_id)
            keys = frozenset((parameter, rule.PLACES[check]) for parameter, check in found)
            memory.with_memory = memory.version, keys
        return keys

    async def work_off(self, connection: Connection, spacecraft_id: str, fence: Fence, pace: Pace) -> None:
        """Fold again what is marked of a spacecraft, and keep the result in a transaction that ends with `fence`.

        Batches go on meanwhile. Where one brings more of this spacecraft each time, and has it folded at once, they
        wait in the end, but not for long; if that is not enough, they only mark from then on what they bring of it.
        """
        for _ in range(_TRIES):
            if await self._try(connection, spacecraft_id, fence, pace):
                return
        with contextlib.suppress(TimeoutError):
            async with self.lock, asyncio.timeout(_LONGEST):
                base = self._base(spacecraft_id)
                async with connection.transaction(readonly=True):
                    found = await self._draft(connection, spacecraft_id, base, base.copy(), Pace())
                if found:
                    await self._finish(connection, found, fence)
            return
        async with self.lock:
            self._memory.forget(spacecraft_id)
        await self._try(connection, spacecraft_id, fence, pace)

    async def _try(self, connection: Connection, spacecraft_id: str, fence: Fence, pace: Pace) -> bool:
        """Whether what is marked was folded again, or nothing was marked."""
        async with self.lock:  # no batch is between its finding and its commit
            base = self._base(spacecraft_id)
            memory = base.copy()
        async with connection.transaction(readonly=True):
            await connection.execute(_DRAFTING)
            found = await self._draft(connection, spacecraft_id, base, memory, pace)
        if found is None:
            return True
        async with self.lock:
            return await self._finish(connection, found, fence)

    async def _draft(
        self, connection: Connection, spacecraft_id: str, base: SpacecraftMemory, memory: SpacecraftMemory, pace: Pace
    ) -> Draft | None:
        versions = RuleVersions(connection, spacecraft_id)
        history = History(JudgedSnapshots(connection, spacecraft_id, self._names), versions, pace)
        stored = StoredHistory(connection, spacecraft_id, history, versions)
        return await draft.made(stored, base, memory)

    def _base(self, spacecraft_id: str) -> SpacecraftMemory:
        return self._memory.get(spacecraft_id) or self._memory.begin(spacecraft_id, is_known=False)

    async def _finish(self, connection: Connection, found: Draft, fence: Fence) -> bool:
        """Keep a draft, unless there was more of its spacecraft meanwhile that was folded at once."""
        spacecraft_id, base = found.marked.spacecraft_id, found.base
        is_all = base.changes == found.changes
        # Of a spacecraft that is not known, batches have only marked what they brought: it is folded next.
        if self._memory.get(spacecraft_id) is not base or (found.was_known and not is_all):
            return False
        try:
            async with connection.transaction():
                await self._keep(connection, found)
                await fence(connection)
        except BaseException:
            # It may be committed or not: what comes next is folded with what is stored.
            self._memory.forget(spacecraft_id)
            raise
        if is_all:
            self._memory.put(spacecraft_id, found.memory)
        else:
            base.version = max(base.version, found.memory.version)
        return True

    async def _keep(self, connection: Connection, found: Draft) -> None:
        spacecraft_id = found.marked.spacecraft_id
        for version, time in found.began.items():
            await alarm_marks.begin_config(connection, spacecraft_id, version, time)
        await self._postpone_configs(connection, spacecraft_id, found.base)
        beside = Beside(
            {(spacecraft_id, known.key[0]) for known in found.found if known.open},
            {name for known in found.found for name, _ in known.changed()},
        )
        parts = (found.found[start : start + _PORTION] for start in range(0, len(found.found), _PORTION))
        for part in parts:  # what becomes of an alarm concerns others of its check alone
            new = [one for known in part for one in known.new()]
            changed = {name: becomes for known in part for name, becomes in known.changed()}
            await writing.write(connection, self.partition, new, changed, self._texts, beside=beside)
        await alarm_marks.remove(connection, found.marked)
