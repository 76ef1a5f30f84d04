"""The rules of config versions that judged stored snapshots, and when a version ends what it does not check."""

from collections.abc import AsyncIterator, Mapping, Sequence

import msgspec

from missionops.domain import limits, rule
from missionops.domain.episodes import episode as episodes
from missionops.domain.episodes.episode import Position, Reading
from missionops.domain.history import JudgedSnapshot
from missionops.domain.limits import Rules
from missionops.ingest.alarms.memory import Key
from missionops.store import alarm_marks, config_checks, configs
from missionops.store.database import Connection

_MOST_RULES = 40_000
"""Compiled rules that are kept at a time, of some 700 bytes each."""


class RuleVersions:
    """The versions of one spacecraft's rules, read when they are needed."""

    def __init__(self, connection: Connection, spacecraft_id: str) -> None:
        self._connection = connection
        self._spacecraft_id = spacecraft_id
        self._parameters: Sequence[str] = ()
        self._kept: dict[int, Rules] = {}
        self._used: dict[int, frozenset[str]] = {}
        self._spans: dict[Key, list[tuple[int, int | None]]] | None = None
        """By check the versions that have it: the first of each row, and the first that does not."""
        self.starts: list[tuple[int, int]] = []
        """From when on each version ends what it does not check, in order."""

    async def load(self, began: Mapping[int, int]) -> None:
        """Read when the versions began; `began` are those of which it is not noted yet."""
        starts = {**await alarm_marks.config_starts(self._connection, self._spacecraft_id), **began}
        self.starts = sorted((time, version) for version, time in starts.items())

    def prepare(self, parameters: Sequence[str]) -> None:
        """What is asked for next is about these: of a document of 10,000 rules no others are compiled."""
        self._parameters = parameters
        self._kept.clear()
        self._used.clear()

    async def reading(self, snapshot: JudgedSnapshot, key: Key) -> Reading:
        """What a snapshot means for one of the prepared parameters and a kind of check."""
        name, kind = key
        if (rules := self._kept.get(snapshot.version)) is None:
            rules = await self._compiled(snapshot.version)
        value = snapshot.values.get(name)
        if (ruled := rules.get(name)) is None:
            return Reading(snapshot.position, value, None, snapshot.version)
        in_context = ruled.in_context(snapshot.values)
        check = in_context.checks[kind]
        return Reading(snapshot.position, value, check, snapshot.version, in_context.acknowledge)

    async def used(self, version: int) -> frozenset[str]:
        """The parameters whose values the readings of the prepared ones need: their own, and those of conditions."""
        if (found := self._used.get(version)) is None:
            if (rules := self._kept.get(version)) is None:
                rules = await self._compiled(version)
            contexts = [context for one in rules.values() for context, _ in one.when]
            conditions = frozenset(condition.parameter for context in contexts for condition in context)
            found = self._used[version] = conditions.union(self._parameters)
        return found

    async def _compiled(self, version: int) -> Rules:
        found = {}
        if self._parameters:
            found = await configs.rules(self._connection, self._spacecraft_id, [version], self._parameters)
        document = {name: msgspec.json.decode(given) for (_, name), given in found.items()}
        if (len(self._kept) + 1) * len(self._parameters) > _MOST_RULES:
            self._kept.clear()
        rules = self._kept[version] = limits.compile_valid({"parameters": document})
        return rules

    async def in_force(self) -> list[Key]:
        """The checks of the newest version."""
        return [key for key, spans in (await self._versions()).items() if any(end is None for _, end in spans)]

    async def lacks(self, version: int, key: Key) -> bool:
        """Whether a version does not have a parameter's check."""
        spans = (await self._versions()).get(key, ())
        return not any(first <= version and (end is None or version < end) for first, end in spans)

    async def _versions(self) -> Mapping[Key, Sequence[tuple[int, int | None]]]:
        if self._spans is None:
            self._spans = {}
            for name, check, first, end in await config_checks.spans(self._connection, self._spacecraft_id):
                self._spans.setdefault((name, rule.PLACES[check]), []).append((first, end))
        return self._spans

    async def ends_before(self, key: Key, position: Position) -> AsyncIterator[Reading]:
        """Where versions end a check because they have it no more: those before a position, the newest first."""
        for time, version in reversed(self.starts):
            end = episodes.unmonitored(time, version)
            if end.position < position and await self.lacks(version, key):
                yield end

    async def ends_after(self, key: Key, position: Position) -> AsyncIterator[Reading]:
        """Those after a position, in order."""
        for time, version in self.starts:
            end = episodes.unmonitored(time, version)
            if end.position > position and await self.lacks(version, key):
                yield end
