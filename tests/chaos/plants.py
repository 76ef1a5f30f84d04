"""Planted bugs: a copy of the packages with a promise broken in it, by changes to its text. The product has no switch.

Each says in which scenario it does harm, and by what name the audit knows that harm.
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from missionops.store import migrate
from tests.chaos import scenarios
from tests.chaos.scenarios import Scenario

_ROOT = Path(migrate.__file__).parents[1]
_PACKAGES = ("missionops", "publishers", "subscribers")


class Change(NamedTuple):
    """A line of the packages, found in one place wherever that is, and what stands there instead."""

    line: str
    instead: Sequence[str]


class Plant(NamedTuple):
    """A bug."""

    name: str
    changes: Sequence[Change]
    scenario: Scenario
    harm: str


def _ahead(line: str, *lines: str) -> Change:
    return Change(line, (*lines, line))


def _instead(line: str, *lines: str) -> Change:
    return Change(line, lines)


_DEAD_LETTERS = 'dead_letters.messages(recorded.letters, self._position.at.stream_created or "", self._max_payload)'

PLANTS = (
    Plant(
        "acknowledges before it commits",  # and takes up its work where the acknowledgements end
        (
            _ahead("recorded = await self._transact(current)", "await self._consumer.acknowledge(batch.last)"),
            _instead(
                'await jetstream.request(self._client, reset, {"seq": after + 1})',
                "await jetstream.request(self._client, reset)",
            ),
        ),
        scenarios.killed_before_commit,
        "lost",
    ),
    Plant(
        "publishes before it commits",
        (
            _ahead(
                "await self._move_checkpoint(connection, batch, recorded)",
                "await self._anomalies.publish(anomalies.messages(recorded.anomalies))",
            ),
        ),
        scenarios.slow_to_commit,
        "told before it was stored",
    ),
    Plant(
        "has no fence",  # neither half of it: the epoch alone, or the place alone, still refuses a former owner
        (
            _instead(
                "WHERE partition = $1 AND epoch = $2 AND sequence = $3",
                "WHERE partition = $1 AND $2::bigint IS NOT NULL AND $3::bigint IS NOT NULL",
            ),
        ),
        scenarios.owner_without_a_right,
        "stored and not told",
    ),
    Plant(
        "does not recover unpublished anomalies",
        (_instead("if at.published_sequence < at.sequence:", "if False:"),),
        scenarios.killed_before_telling,
        "stored and not told",
    ),
    Plant(
        "takes no heed of the tail of ANOMALIES",
        (_instead("if not self._held:", "if True:"),),
        scenarios.killed_after_telling,
        "told twice",
    ),
    Plant(
        "does not fence what it publishes",
        (_instead('headers["Nats-Expected-Last-Subject-Sequence"] = str(self._last[message.subject])'),),
        scenarios.word_that_comes_late,
        "told twice",
    ),
    Plant(
        "keeps configs from batch to batch",
        (
            _instead(
                "found = await configs.for_ingest(connection, spacecraft_ids)",
                'versions = self.__dict__.setdefault("kept", {})',
                "if not spacecraft_ids <= versions.keys():",
                "    found |= await configs.for_ingest(connection, spacecraft_ids)",
            ),
        ),
        scenarios.config_that_changes,
        "config was not in force",
    ),
    Plant(
        "writes dead letters after it commits",
        (
            _instead("await self._dead_letters.publish(letters)"),
            _ahead("current.finish(Turn.COMMIT)", f"await self._dead_letters.publish({_DEAD_LETTERS})"),
        ),
        scenarios.killed_before_a_dead_letter,
        "dead letter missing",
    ),
    Plant(
        "takes what a successor stored for a fault",
        (_instead('if constraint and str(constraint).endswith("_pkey"):', "if False:"),),
        scenarios.owner_that_was_away,
        "dead letter of something good",
    ),
    Plant(
        "empties the outbox before it publishes",
        (
            _ahead(
                "before = self._publisher.sequence",
                "numbers = [row.number for row in page]",
                "await outbox.remove(connection, self._claim, numbers, self._publisher.sequence)",
            ),
        ),
        scenarios.killed_with_an_event_in_hand,
        "event not told",
    ),
)


def copy(plant: Plant, place: Path) -> Path:
    """The packages in `place`, with the bug in them; fails where a line of the plant is not there, or not alone."""
    for package in _PACKAGES:
        shutil.copytree(_ROOT / package, place / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(migrate.folder(), place / "missionops" / "migrations", dirs_exist_ok=True)
    for change in plant.changes:
        found = [file for file in place.rglob("*.py") for line in _lines(file) if line.strip() == change.line]
        assert len(found) == 1, f"the plant {plant.name!r} has to be written anew: {change.line!r} is in {found}"
        found[0].write_text("\n".join(changed for line in _lines(found[0]) for changed in _changed(line, change)))
    return place


def _lines(file: Path) -> list[str]:
    return file.read_text().split("\n")


def _changed(line: str, change: Change) -> Sequence[str]:
    if line.strip() != change.line:
        return [line]
    indentation = line[: len(line) - len(line.lstrip())]
    return [indentation + other for other in change.instead]


def serve_from(place: Path) -> tuple[Sequence[str], dict[str, str]]:
    """The command and the environment of `missionops serve` as the packages in `place` have it."""
    start = "import sys; from missionops.cli import main; sys.argv[1:] = ['serve']; main()"
    return (sys.executable, "-P", "-c", start), {"PYTHONPATH": str(place)}
