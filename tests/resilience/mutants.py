"""Mutants: copies of the packages in which one promise is broken, by a change to the syntax tree of a function.

The product has no switch for this. Each mutant names the scenario in which it does harm, and the kind of difference by
which the audit has to find that harm.
"""

import ast
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from missionops.store import migrate
from tests.resilience import edits, scenarios
from tests.resilience.edits import Change
from tests.resilience.scenarios import Scenario

_ROOT = Path(migrate.__file__).parents[2]
_PACKAGES = ("missionops", "publishers", "subscribers")


class Mutant(NamedTuple):
    """A broken promise."""

    name: str
    changes: Sequence[Change]
    scenario: Scenario
    harm: str


_PIPELINE = "subscribers.telemetry.pipeline"
_NOTHING = edits.instead("pass")
_PUBLISH_DEAD_LETTERS = """
letters = dead_letters.messages(recorded.letters, self._position.at.stream_created or "", self._max_payload)
await self._dead_letters.publish(letters)
"""
_EMPTY_OUTBOX = """
await self._outbox.remove(
    connection, self._lease, [waiting.number for waiting in page], self._publisher.sequence
)
"""

MUTANTS = (
    Mutant(
        "acknowledges before it commits",  # and starts again where the acknowledgements end
        (
            Change(
                _PIPELINE,
                "Pipeline._handle",
                edits.calls("_transact"),
                edits.before("if batch.last: await self._consumer.acknowledge(batch.last)"),
            ),
            Change(
                "subscribers.telemetry.consumer",
                "Consumer.start",
                edits.all_of(edits.calls("request"), edits.uses("after")),
                edits.without_last_argument("request"),
            ),
        ),
        scenarios.killed_before_commit,
        "lost",
    ),
    Mutant(
        "publishes before it commits",
        (
            Change(
                _PIPELINE,
                "Pipeline._transact",
                edits.calls("_move_checkpoint"),
                edits.before("await self._anomalies.publish(anomalies.messages(recorded.anomalies))"),
            ),
        ),
        scenarios.slow_commit,
        "published before it was stored",
    ),
    Mutant(
        "has no fence",  # neither half of it: the epoch alone, or the position alone, still refuses a former owner
        (
            Change(
                "missionops.store.checkpoint",
                "",
                edits.assigns("_MOVE"),
                edits.with_text(r"\b(epoch|sequence) = (\$[23])\b", r"\2::bigint IS NOT NULL"),
            ),
        ),
        scenarios.owner_that_lost_its_lease,
        "stored and not published",
    ),
    Mutant(
        "does not recover unpublished anomalies",
        (
            Change(
                "subscribers.telemetry.recovery",
                "publish_unpublished",
                edits.all_of(edits.is_if, edits.uses("published_sequence")),
                edits.if_is(value=False),
            ),
        ),
        scenarios.killed_before_publishing,
        "stored and not published",
    ),
    Mutant(
        "does not look at the end of ANOMALIES",
        (
            Change(
                "publishers.exactly_once",
                "ExactlyOncePublisher._publish_batch",
                edits.all_of(edits.is_if, edits.uses("_held")),
                edits.if_is(value=False),
            ),
        ),
        scenarios.killed_after_publishing,
        "published twice",
    ),
    Mutant(
        "does not fence what it publishes",
        (
            Change(
                "publishers.exactly_once",
                "ExactlyOncePublisher._send",
                edits.all_of(
                    edits.uses("Nats-Expected-Last-Subject-Sequence"), lambda one: isinstance(one, ast.Assign)
                ),
                _NOTHING,
            ),
        ),
        scenarios.late_message,
        "published twice",
    ),
    Mutant(
        "keeps configs from batch to batch",
        (
            Change(
                _PIPELINE,
                "Pipeline._transact",
                edits.calls("configs_in_force"),
                edits.kept,
            ),
        ),
        scenarios.changed_config,
        "config was not in force",
    ),
    Mutant(
        "writes dead letters after it commits",
        (
            Change(_PIPELINE, "Pipeline._move_checkpoint", edits.calls("publish"), _NOTHING),
            Change(
                _PIPELINE,
                "Pipeline._handle",
                edits.all_of(edits.calls("finish"), edits.uses("COMMIT")),
                edits.before(_PUBLISH_DEAD_LETTERS),
            ),
        ),
        scenarios.killed_before_a_dead_letter,
        "dead letter missing",
    ),
    Mutant(
        "takes what a successor stored for a fault",
        (
            Change(
                "missionops.ingest.bisect_refused",
                "_add_by_halves",
                edits.all_of(edits.is_if, edits.uses("_pkey")),
                edits.if_is(value=False),
            ),
        ),
        scenarios.owner_that_was_away,
        "dead letter of something good",
    ),
    Mutant(
        "empties the outbox before it publishes",
        (
            Change(
                "publishers.outbox",
                "OutboxPublisher._publish_until_stopped",
                edits.calls("publish"),
                edits.before(_EMPTY_OUTBOX),
            ),
        ),
        scenarios.killed_with_an_event_in_the_outbox,
        "event not published",
    ),
    Mutant(
        "acts on messages without a reply subject",
        (
            Change(
                "subscribers.middlewares",
                "AdmitRequests.consume_scope",
                edits.all_of(edits.is_if, edits.uses("reply_to")),
                edits.if_is(value=False),
            ),
        ),
        scenarios.hostile_reply_subjects,
        "config that nobody set",
    ),
    Mutant(
        "gives each dead letter of an array the original headers",
        (
            Change(
                "publishers.dead_letters",
                "messages",
                edits.assigns("headers"),
                edits.instead("headers = _headers(letter, 65_000, is_first=True)"),
            ),
            Change(
                "publishers.dead_letters",
                "",
                edits.assigns("MOST_BYTES"),
                edits.instead("MOST_BYTES = 10**9"),
            ),
        ),
        scenarios.amplified_dead_letters,
        "dead letters of one message are too large",
    ),
)


def copy(mutant: Mutant, directory: Path) -> Path:
    """The packages in `directory`, with the mutant's changes in them."""
    for package in _PACKAGES:
        # With the times of the files, by which their bytecode stays valid: to compile all again takes seconds.
        shutil.copytree(_ROOT / package, directory / package)
    shutil.copytree(migrate.folder(), directory / "missionops" / "migrations", dirs_exist_ok=True)
    for change in mutant.changes:
        file = directory.joinpath(*change.module.split(".")).with_suffix(".py")
        tree = ast.parse(file.read_text())
        edits.apply(change, edits.find(tree, change), mutant.name)
        file.write_text(ast.unparse(ast.fix_missing_locations(tree)))
    return directory


def serve_from(directory: Path) -> tuple[Sequence[str], dict[str, str]]:
    """The command and the environment of `missionops serve` as the packages in `directory` have it."""
    return (sys.executable, "-P", "-m", "missionops", "serve"), {"PYTHONPATH": str(directory)}
