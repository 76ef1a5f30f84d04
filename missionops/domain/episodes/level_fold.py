"""The fold of samples that have a level: runs of samples raise an episode, make it worse and end it."""

from typing import NamedTuple

import msgspec

from missionops.domain.episodes.episode import Episode, Facts, Position, Reading, Rise
from missionops.domain.episodes.fold import BackwardSearch, Fold, Known
from missionops.domain.episodes.judgement import Judgement
from missionops.domain.episodes.persistence import Persistence, Persistences


class Run(NamedTuple):
    """Samples one after another for which the same holds."""

    samples: int = 0
    since: int = 0
    """The time of the first one."""

    def longer(self, time: int) -> "Run":
        """The run with another sample at its end."""
        return Run(self.samples + 1, self.since if self.samples else time)

    def reaches(self, wanted: Persistence, time: int) -> bool:
        """Whether the run that ends in a sample of this time lasts as long as is wanted."""
        return 0 < self.samples >= wanted.samples and time - self.since >= wanted.microseconds


NO_RUN = Run()
LEVELS = (1, 2, 3, 4)


class Pending(msgspec.Struct):
    """Samples above a limit that have not raised an episode yet."""

    first_at: Position
    facts: Facts


class LevelFold(Fold):
    """The fold of samples that have a level."""

    runs: list[Run] = msgspec.field(default_factory=lambda: [NO_RUN] * 4)
    """Of samples of at least level 1, 2, 3, 4."""
    quiet: Run = NO_RUN
    """Of samples of level 0 while an episode is open."""
    pending: Pending | None = None

    def judge(self, reading: Reading) -> Judgement | None:
        """What the check says of a reading; None where it holds no sample."""
        found: Judgement | None = reading.check.judge(reading.value)
        return found

    @staticmethod
    def held_level(_reading: Reading, _severity: int) -> int:
        """The level as which a sample counts, too, while an episode of that severity is open."""
        return 0

    def step(self, reading: Reading) -> Episode | None:
        """Take the next reading; the episode that ended by it, if one did."""
        self.is_settled = False
        if reading.value is None:
            return None
        if reading.check is None:  # it is in force no more, which ends the episode and every run
            ended = self.episode
            if ended:
                ended.close(reading.position, reading.position[0], "unmonitored")
            self._forget()
            return ended
        judgement = self.judge(reading)
        return None if judgement is None else self._advance(reading, judgement)

    def _forget(self) -> None:
        self.is_settled = True
        self.episode, self.runs, self.quiet, self.pending = None, [NO_RUN] * 4, NO_RUN, None

    def _advance(self, reading: Reading, judgement: Judgement) -> Episode | None:
        episode, level, time = self.episode, judgement.level, reading.position[0]
        if episode:
            level = max(level, self.held_level(reading, episode.severity))
            episode.facts.add(reading, judgement)
        elif level:
            self.pending = self.pending or Pending(reading.position, Facts())
            self.pending.facts.add(reading, judgement)
        elif not self.pending:
            self.is_settled = True
            return None  # as nearly always

        persistences: Persistences = reading.check.persistences
        self.runs = [run.longer(time) if level >= each else NO_RUN for each, run in zip(LEVELS, self.runs, strict=True)]
        self.quiet = NO_RUN if level else self.quiet.longer(time)
        reached = [
            each for each, run in zip(LEVELS, self.runs, strict=True) if run.reaches(persistences.to_raise, time)
        ]
        if reached and reached[-1] > (episode.severity if episode else 0):
            limit, bound = judgement.limit, judgement.bound
            self._rise(Rise(reached[-1], reading.position, limit, bound, reading.version, reading.waits))
        elif episode and self.quiet.reaches(persistences.to_clear, time):
            episode.close(reading.position, self.quiet.since)
            self._forget()
            return episode
        elif not level and not episode:
            self._forget()
        # No run is under way that could end the episode or make it worse.
        self.is_settled |= self.episode is not None and 1 <= level <= self.episode.severity
        return None

    def _rise(self, rise: Rise) -> None:
        """Open an episode by the pending samples, or make the open one worse."""
        if self.episode:
            self.episode.rises.append(rise)
        elif self.pending:
            self.episode = Episode(self.runs[0].since, self.pending.first_at, [rise], self.pending.facts)
            self.pending = None


class LevelSearch(BackwardSearch):
    """Back to a sample that is nominal outside an episode, or no worse than the open one; or to one not monitored."""

    fold: type[LevelFold] = LevelFold

    def add(self, reading: Reading) -> Known | None:
        """Add the next older reading."""
        if reading.value is None:
            return None
        fold = self.fold()
        if reading.check is None:
            return Known(reading.position, fold)
        judgement = fold.judge(reading)
        return None if judgement is None else self.known_after(reading, judgement, fold)

    def known_after(self, reading: Reading, judgement: Judgement, fold: LevelFold) -> Known | None:
        """The fold after a sample, if that alone says all that matters; `fold` is a new one."""
        episode = fold.episode = self.open_after(reading.position)
        if episode is None:
            return None if judgement.level else Known(reading.position, fold)
        level = max(judgement.level, fold.held_level(reading, episode.severity))
        return Known(reading.position, fold) if 1 <= level <= episode.severity else None
