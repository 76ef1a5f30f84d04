"""The stored snapshots of one spacecraft, as its marked spans are folded again from them."""

from collections.abc import AsyncIterator, Sequence

from missionops.domain import timestamp
from missionops.domain.episodes import episode as episodes
from missionops.domain.episodes.episode import Position
from missionops.domain.history import JudgedSnapshot
from missionops.ingest.alarms.pace import Pace
from missionops.ingest.alarms.rule_versions import RuleVersions
from missionops.store.judged_snapshots import JudgedSnapshots

BEGINNING: Position = episodes.beginning_of(timestamp.to_microseconds(timestamp.EARLIEST))
END: Position = episodes.end_of(timestamp.to_microseconds(timestamp.LATEST))
_MOST_KEPT = 120_000
"""Values of snapshots that are kept for the next parameter to be folded, of some 100 bytes each."""
_OF_ITSELF = 5
"""A snapshot takes as much memory as so many values, beside its own."""
_LARGE = 200
"""Values in a snapshot above which those are left out that nobody needs."""


class _Kept:
    """The snapshots that were read from a position on in one direction."""

    def __init__(self, source: AsyncIterator[JudgedSnapshot]) -> None:
        self.source: AsyncIterator[JudgedSnapshot] | None = source
        """Of those that follow; None where there is none any more."""
        self.snapshots: list[JudgedSnapshot] = []
        self.is_cut = False
        """Not all are kept that were read."""
        self._by_parameter: dict[str, list[JudgedSnapshot]] | None = None

    def with_parameter(self, name: str) -> Sequence[JudgedSnapshot]:
        """Those that carry a parameter, once all are read: of a spacecraft that reports few at a time these are few."""
        if self._by_parameter is None:
            self._by_parameter = {}
            for one in self.snapshots:
                for each in one.values:
                    self._by_parameter.setdefault(each, []).append(one)
        return self._by_parameter.get(name, ())


class History:
    """The snapshots of one spacecraft in both directions; what was read for one parameter is kept for the next.

    Of large snapshots only the values are kept that the prepared parameters need.
    """

    def __init__(self, snapshots: JudgedSnapshots, versions: RuleVersions, pace: Pace) -> None:
        self.pace = pace
        self._snapshots = snapshots
        self._versions = versions
        self._is_narrowed = False
        self._count = 0
        """How many values are kept."""
        self._kept: dict[tuple[bool, Position], _Kept] = {}

    def prepare(self, parameters: Sequence[str]) -> None:
        """What is asked for next is about these parameters."""
        self._versions.prepare(parameters)
        if self._is_narrowed:
            self._kept.clear()
            self._is_narrowed, self._count = False, 0

    async def has_misdated(self) -> bool:
        """Whether any of them stands elsewhere than at its timestamp."""
        return await self._snapshots.has_misdated()

    def after(self, position: Position, parameter: str | None = None) -> AsyncIterator[JudgedSnapshot]:
        """Those after a position that carry the parameter, if one is given, in order."""
        return self._read((True, position), parameter)

    def before(self, position: Position, parameter: str | None = None) -> AsyncIterator[JudgedSnapshot]:
        """Those before a position that carry the parameter, if one is given, the newest first."""
        return self._read((False, position), parameter)

    async def _read(self, key: tuple[bool, Position], parameter: str | None) -> AsyncIterator[JudgedSnapshot]:
        kept = self._kept.get(key)
        if kept and kept.source is None and parameter is not None:
            for one in kept.with_parameter(parameter):
                yield one
        else:
            async for one in self._read_all(key):
                if parameter is None or parameter in one.values:
                    yield one

    async def _read_all(self, key: tuple[bool, Position]) -> AsyncIterator[JudgedSnapshot]:
        is_ascending, position = key
        read = self._snapshots.after if is_ascending else self._snapshots.before
        kept = self._kept.get(key) or self._kept.setdefault(key, _Kept(read(position)))
        for one in kept.snapshots:
            yield one
        rest = kept.source
        if kept.is_cut:
            rest = read(kept.snapshots[-1].position if kept.snapshots else position)
        if rest is None:
            return
        async for one in rest:
            if len(one.values) > _LARGE:
                self._is_narrowed = True
                used = await self._versions.used(one.version)
                one = one._replace(values={name: one.values[name] for name in used & one.values.keys()})  # noqa: PLW2901
            kept.is_cut |= self._count > _MOST_KEPT
            if not kept.is_cut:
                kept.snapshots.append(one)
                self._count += len(one.values) + _OF_ITSELF
            yield one
        if not kept.is_cut:
            kept.source = None
