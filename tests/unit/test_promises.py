"""The README's promises: each names tests that are there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "README.md").read_text().partition("## What is promised")[2].partition("\n## ")[0]
PROMISES = re.split(r"^- ", SECTION, flags=re.MULTILINE)[1:]


def named(text: str) -> list[tuple[str, str]]:
    return re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)


def test_each_promise_names_a_test() -> None:
    assert len(PROMISES) == 11
    assert all(named(promise) for promise in PROMISES)


def test_each_named_test_is_there() -> None:
    for path, name in named(SECTION):
        functions = ast.walk(ast.parse((ROOT / path).read_text()))
        assert name in {found.name for found in functions if isinstance(found, ast.AsyncFunctionDef | ast.FunctionDef)}
