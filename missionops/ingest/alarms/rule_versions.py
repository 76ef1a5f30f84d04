"""The rules of config versions that judged stored snapshots, and when a version ends what it does not check."""

from collections.abc import AsyncIterator, Mapping

from missionops.domain import rule
from missionops.domain.episodes import episode as episodes
from missionops.domain.episodes.episode import Position, Reading
from missionops.domain.history import JudgedSnapshot
from missionops.domain.limits import Rules
from missionops.ingest.alarms.memory import Key
from missionops.ingest.limits_cache import LimitsCache
from missionops.store import alarm_marks, config_checks
from missionops.store.database import Connection


class RuleVersions:
    """The versions of one spacecraft's rules, read when they are needed."""

    def __init__(self, connection: Connection, spacecraft_id: str, limits: LimitsCache) -> None:
        self._connection = connection
        self._spacecraft_id = spacecraft_id
        self._limits = limits
        self._last: tuple[int, Rules] = (0, Rules({}))
        """The version that was asked for last: neighbours were judged by one mostly."""
        self._spans: dict[Key, list[tuple[int, int | None]]] | None = None
        """By check the versions that have it: the first of each row, and the first that does not."""
        self.starts: list[tuple[int, int]] = []
        """From when on each version ends what it does not check, in order."""

    async def load(self, began: Mapping[int, int]) -> None:
        """Read when the versions began; `began` are those of which it is not noted yet."""
        starts = {**await alarm_marks.config_starts(self._connection, self._spacecraft_id), **began}
        self.starts = sorted((time, version) for version, time in starts.items())

    async def of(self, version: int) -> Rules:
        """The rules of a version."""
        if version != self._last[0]:
            self._last = version, await self._limits.rules_of(self._connection, self._spacecraft_id, version)
        return self._last[1]

    async def reading(self, snapshot: JudgedSnapshot, key: Key) -> Reading:
        """What a snapshot means for one parameter and kind of check."""
        name, kind = key
        rules = await self.of(snapshot.version)
        value = snapshot.values.get(name)
        if (ruled := rules.get(name)) is None:
            return Reading(snapshot.position, value, None, snapshot.version)
        in_context = ruled.in_context(snapshot.values)
        check = in_context.checks[kind]
        return Reading(snapshot.position, value, check, snapshot.version, in_context.acknowledge)

    async def lacks(self, version: int, key: Key) -> bool:
        """Whether a version does not have a parameter's check."""
        if self._spans is None:
            self._spans = {}
            for name, kind, first, end in await config_checks.spans(self._connection, self._spacecraft_id):
                self._spans.setdefault((name, rule.PLACES[kind]), []).append((first, end))
        return not any(first <= version and (end is None or version < end) for first, end in self._spans.get(key, ()))

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
