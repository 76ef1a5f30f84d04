"""Mutants: copies of the packages in which one promise is broken, by a change to the syntax tree of a function.

The product has no switch for this. Each mutant names the scenario in which it does harm, and the kind of difference by
which the audit has to find that harm. A statement is found by what it does (whom it calls, what it tests), within a
function that is named: it may be worded anew without any change here.
"""

import ast
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from missionops.store import migrate
from tests.resilience import scenarios
from tests.resilience.scenarios import Scenario

_ROOT = Path(migrate.__file__).parents[2]
_PACKAGES = ("missionops", "publishers", "subscribers")

Matcher: TypeAlias = Callable[[ast.stmt], bool]
Edit: TypeAlias = Callable[[ast.stmt], Sequence[ast.stmt]]


class Change(NamedTuple):
    """A statement of a function, or of a module where `function` is empty, and what it becomes."""

    module: str
    function: str
    matches: Matcher
    edit: Edit


class Mutant(NamedTuple):
    """A broken promise."""

    name: str
    changes: Sequence[Change]
    scenario: Scenario
    harm: str


def _expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    """All nodes of a statement but those of the statements within it."""
    for field in ast.iter_child_nodes(statement):
        if not isinstance(field, (ast.stmt, ast.ExceptHandler, ast.match_case)):
            yield from ast.walk(field)


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _calls(name: str) -> Matcher:
    """A statement that calls a function or method of this name."""
    return lambda statement: any(
        isinstance(node, ast.Call) and _last_name(node.func) == name for node in _expressions(statement)
    )


def _uses(name: str) -> Matcher:
    """A statement in which a variable, an attribute or a text is named so."""
    return lambda statement: any(
        name in {_last_name(node), node.value if isinstance(node, ast.Constant) else None}
        for node in _expressions(statement)
    )


def _assigns(name: str) -> Matcher:
    """A statement that assigns to a variable of this name."""
    return lambda statement: (
        isinstance(statement, ast.Assign) and name in {_last_name(target) for target in statement.targets}
    )


def _is_if(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If)


def _all(*matchers: Matcher) -> Matcher:
    return lambda statement: all(matches(statement) for matches in matchers)


def _before(source: str) -> Edit:
    """Do this before the statement."""
    return lambda statement: [*ast.parse(source).body, statement]


def _instead(source: str) -> Edit:
    """Do this in place of the statement."""
    return lambda _: ast.parse(source).body


def _if(value: bool) -> Edit:  # noqa: FBT001 - it is the condition
    """Let a condition always be this."""

    def edit(statement: ast.stmt) -> Sequence[ast.stmt]:
        assert isinstance(statement, ast.If)
        statement.test = ast.Constant(value)
        return [statement]

    return edit


def _without_last_argument(name: str) -> Edit:
    """Call a function without its last argument."""

    def edit(statement: ast.stmt) -> Sequence[ast.stmt]:
        for node in _expressions(statement):
            if isinstance(node, ast.Call) and _last_name(node.func) == name:
                node.args.pop()
        return [statement]

    return edit


def _with_text(pattern: str, replacement: str) -> Edit:
    """Let a text be another one."""

    def edit(statement: ast.stmt) -> Sequence[ast.stmt]:
        for node in _expressions(statement):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                node.value = re.sub(pattern, replacement, node.value)
        return [statement]

    return edit


def _kept(statement: ast.stmt) -> Sequence[ast.stmt]:
    """Keep what a query for some ids returned: what is kept is not read again."""
    assert isinstance(statement, ast.Assign)
    call = next(node for node in _expressions(statement) if isinstance(node, ast.Call))
    name, ids, query = ast.unparse(statement.targets[0]), ast.unparse(call.args[-1]), ast.unparse(statement.value)
    source = f"{name} = self.__dict__.setdefault('kept', {{}})\nif not {ids} <= {name}.keys(): {name} |= {query}"
    return ast.parse(source).body


_PIPELINE = "subscribers.telemetry.pipeline"
_NOTHING = _instead("pass")
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
                _calls("_transact"),
                _before("if batch.last: await self._consumer.acknowledge(batch.last)"),
            ),
            Change(
                "subscribers.telemetry.consumer",
                "Consumer.start",
                _all(_calls("request"), _uses("after")),
                _without_last_argument("request"),
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
                _calls("_move_checkpoint"),
                _before("await self._anomalies.publish(anomalies.messages(recorded.anomalies))"),
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
                _assigns("_MOVE"),
                _with_text(r"\b(epoch|sequence) = (\$[23])\b", r"\2::bigint IS NOT NULL"),
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
                _all(_is_if, _uses("published_sequence")),
                _if(value=False),
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
                _all(_is_if, _uses("_held")),
                _if(value=False),
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
                _all(_uses("Nats-Expected-Last-Subject-Sequence"), lambda one: isinstance(one, ast.Assign)),
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
                "missionops.ingest.limits_cache",
                "LimitsCache.in_force",
                _all(_calls("for_ingest"), lambda statement: isinstance(statement, ast.Assign)),
                _kept,
            ),
        ),
        scenarios.changed_config,
        "config was not in force",
    ),
    Mutant(
        "writes dead letters after it commits",
        (
            Change(_PIPELINE, "Pipeline._move_checkpoint", _calls("publish"), _NOTHING),
            Change(
                _PIPELINE,
                "Pipeline._handle",
                _all(_calls("finish"), _uses("COMMIT")),
                _before(_PUBLISH_DEAD_LETTERS),
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
                _all(_is_if, _uses("_pkey")),
                _if(value=False),
            ),
        ),
        scenarios.owner_that_was_away,
        "dead letter of something good",
    ),
    Mutant(
        "empties the outbox before it publishes",
        (
            Change(
                "publishers.outbox", "OutboxPublisher._publish_until_stopped", _calls("publish"), _before(_EMPTY_OUTBOX)
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
                _all(_is_if, _uses("reply_to")),
                _if(value=False),
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
                _assigns("headers"),
                _instead("headers = _headers(letter, 65_000, is_first=True)"),
            ),
            Change(
                "publishers.dead_letters",
                "",
                _assigns("MOST_BYTES"),
                _instead("MOST_BYTES = 10**9"),
            ),
        ),
        scenarios.amplified_dead_letters,
        "dead letters of one message are too large",
    ),
)


def copy(mutant: Mutant, directory: Path) -> Path:
    """The packages in `directory`, with the mutant's changes in them."""
    for package in _PACKAGES:
        shutil.copytree(_ROOT / package, directory / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(migrate.folder(), directory / "missionops" / "migrations", dirs_exist_ok=True)
    for change in mutant.changes:
        file = directory.joinpath(*change.module.split(".")).with_suffix(".py")
        tree = ast.parse(file.read_text())
        _apply(change, _find(tree, change), mutant.name)
        file.write_text(ast.unparse(ast.fix_missing_locations(tree)))
    return directory


def serve_from(directory: Path) -> tuple[Sequence[str], dict[str, str]]:
    """The command and the environment of `missionops serve` as the packages in `directory` have it."""
    start = "import sys; from missionops.cli import main; sys.argv[1:] = ['serve']; main()"
    return (sys.executable, "-P", "-c", start), {"PYTHONPATH": str(directory)}


def _find(tree: ast.Module, change: Change) -> ast.AST:
    """The function that a change is in."""
    found: ast.AST = tree
    for name in filter(None, change.function.split(".")):
        named = [
            node
            for node in ast.iter_child_nodes(found)
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name
        ]
        assert len(named) == 1, f"{change.module} has {len(named)} of {change.function}: adapt the mutant to it"
        found = named[0]
    return found


def _apply(change: Change, function: ast.AST, name: str) -> None:
    """Replace the one statement that matches."""
    blocks = [getattr(node, field, None) for node in ast.walk(function) for field in ("body", "orelse", "finalbody")]
    found = [
        (block, statement)
        for block in blocks
        if isinstance(block, list)
        for statement in block
        if change.matches(statement)
    ]
    where = f"{change.module}, {change.function or 'the module'}"
    assert len(found) == 1, f"the mutant {name!r} matches {len(found)} statements of {where}: adapt it to them"
    [(statements, statement)] = found
    index = statements.index(statement)
    before = ast.unparse(statement)
    after = change.edit(statement)
    assert ast.unparse(ast.Module([*after], [])) != before, f"the mutant {name!r} changes nothing in {where}"
    statements[index : index + 1] = after
