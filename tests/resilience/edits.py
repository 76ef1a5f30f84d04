"""Edits of the product's source, to plant faults in it: a statement of a function becomes another one.

A statement is found by what it does (whom it calls, what it tests), within a function that is named: it may be worded
anew without any change here.
"""

import ast
import contextlib
import importlib
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

Matcher: TypeAlias = Callable[[ast.stmt], bool]
Edit: TypeAlias = Callable[[ast.stmt], Sequence[ast.stmt]]


class Change(NamedTuple):
    """A statement of a function, or of a module where `function` is empty, and what it becomes."""

    module: str
    function: str
    matches: Matcher
    edit: Edit


def _expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    """All nodes of a statement but those of the statements within it."""
    for field in ast.iter_child_nodes(statement):
        if not isinstance(field, (ast.stmt, ast.ExceptHandler, ast.match_case)):
            yield from ast.walk(field)


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def calls(name: str) -> Matcher:
    """A statement that calls a function or method of this name."""
    return lambda statement: any(
        isinstance(node, ast.Call) and _last_name(node.func) == name for node in _expressions(statement)
    )


def uses(name: str) -> Matcher:
    """A statement in which a variable, an attribute or a text is named so."""
    return lambda statement: any(
        name in {_last_name(node), node.value if isinstance(node, ast.Constant) else None}
        for node in _expressions(statement)
    )


def lacks(name: str) -> Matcher:
    """A statement in which nothing is named so."""
    return lambda statement: not uses(name)(statement)


def assigns(name: str) -> Matcher:
    """A statement that assigns to a variable of this name."""
    return lambda statement: (
        isinstance(statement, ast.Assign) and name in {_last_name(target) for target in statement.targets}
    )


def adds_to(name: str) -> Matcher:
    """A statement that adds to a variable of this name."""
    return lambda statement: isinstance(statement, ast.AugAssign) and _last_name(statement.target) == name


def is_if(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If)


def all_of(*matchers: Matcher) -> Matcher:
    return lambda statement: all(matches(statement) for matches in matchers)


def before(source: str) -> Edit:
    """Do this before the statement."""
    return lambda statement: [*ast.parse(source).body, statement]


def instead(source: str) -> Edit:
    """Do this in place of the statement."""
    return lambda _: ast.parse(source).body


def if_is(value: bool) -> Edit:  # noqa: FBT001 - it is the condition
    """Let a condition always be this."""

    def edit(statement: ast.stmt) -> Sequence[ast.stmt]:
        assert isinstance(statement, ast.If)
        statement.test = ast.Constant(value)
        return [statement]

    return edit


def without_condition(name: str) -> Edit:
    """Let a condition that all of several things must hold ask for one less: that in which something is named so."""

    def edit(statement: ast.stmt) -> Sequence[ast.stmt]:
        assert isinstance(statement, ast.If)
        assert isinstance(statement.test, ast.BoolOp)
        conditions = [[_last_name(node) for node in ast.walk(one)] for one in statement.test.values]
        pairs = zip(conditions, statement.test.values, strict=True)
        statement.test.values = [one for names, one in pairs if name not in names]
        return [statement]

    return edit


def without_last_argument(name: str) -> Edit:
    """Call a function without its last argument."""

    def edit(statement: ast.stmt) -> Sequence[ast.stmt]:
        for node in _expressions(statement):
            if isinstance(node, ast.Call) and _last_name(node.func) == name:
                node.args.pop()
        return [statement]

    return edit


def with_text(pattern: str, replacement: str) -> Edit:
    """Let a text be another one."""

    def edit(statement: ast.stmt) -> Sequence[ast.stmt]:
        for node in _expressions(statement):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                node.value = re.sub(pattern, replacement, node.value)
        return [statement]

    return edit


def kept(statement: ast.stmt) -> Sequence[ast.stmt]:
    """Keep what a query for some ids returned: what is kept is not read again."""
    assert isinstance(statement, ast.Assign)
    call = next(node for node in _expressions(statement) if isinstance(node, ast.Call))
    name, ids, query = ast.unparse(statement.targets[0]), ast.unparse(call.args[-1]), ast.unparse(statement.value)
    source = f"{name} = self.__dict__.setdefault('kept', {{}})\nif not {ids} <= {name}.keys(): {name} |= {query}"
    return ast.parse(source).body


def find(tree: ast.Module, change: Change) -> ast.AST:
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


def apply(change: Change, function: ast.AST, name: str) -> None:
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


@contextlib.contextmanager
def planted(change: Change) -> Iterator[None]:
    """The change, for the time of a block, in this process: for faults that do harm without a crash."""
    module = importlib.import_module(change.module)
    tree = ast.parse(Path(module.__file__ or "").read_text())
    function = find(tree, change)
    apply(change, function, change.function)
    assert isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
    made: dict[str, object] = {}
    source = ast.fix_missing_locations(ast.Module([function], []))
    exec(compile(source, change.module, "exec"), vars(module), made)  # noqa: S102 - our own source
    *path, name = change.function.split(".")
    owner: object = getattr(module, path[0]) if path else module
    before = vars(owner)[name]
    # A function of a module is known by its name in others, too.
    holders = [owner] if path else [one for one in sys.modules.values() if vars(one).get(name) is before]
    for holder in holders:
        setattr(holder, name, made[name])
    try:
        yield
    finally:
        for holder in holders:
            setattr(holder, name, before)
