"""The figures that keep the code easy to take over, counted in its syntax trees; each has the bound of its own test."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("missionops", "subscribers", "publishers")
TREES = {file: ast.parse(file.read_text()) for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))}
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

MOST_LOOSE_MODULES = 10
MOST_REPEATED_TYPES = 8
MOST_LINES = 60
MOST_HELPERS_USED_ONCE = 0.12

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def place(file: Path, node: ast.stmt | None = None) -> str:
    return str(file.relative_to(ROOT)) + (f":{node.lineno}" if node else "")


def test_few_modules_lie_loose_in_the_package() -> None:
    loose = [place(file) for file in TREES if file.parent == ROOT / "missionops" and file.name != "__init__.py"]
    assert len(loose) <= MOST_LOOSE_MODULES, loose


def test_few_types_have_the_name_of_another() -> None:
    defined = Counter(
        node.name
        for node in chain.from_iterable(tree.body for tree in TREES.values())
        if isinstance(node, ast.ClassDef)
    )
    repeated = {name: count for name, count in defined.items() if count > 1}
    assert len(repeated) <= MOST_REPEATED_TYPES, repeated


def test_no_function_is_too_long_to_be_read_at_once() -> None:
    long = [
        f"{place(file, function)} {function.name}: {length} lines"
        for file, tree in TREES.items()
        for function in functions(tree)
        if (length := (function.end_lineno or function.lineno) - function.lineno + 1) > MOST_LINES
    ]
    assert not long


def test_few_private_helpers_are_used_once() -> None:
    """One that only cuts a paragraph in two makes its reader jump; one that has a subject of its own is good."""
    once, total = [], 0
    for file, tree in TREES.items():
        used = Counter(
            node.id if isinstance(node, ast.Name) else node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Name | ast.Attribute)
        )
        for function in functions(tree):
            total += 1
            if function.name.startswith("_") and not function.name.endswith("__") and used[function.name] == 1:
                once.append(f"{place(file, function)} {function.name}")
    share = len(once) / total
    assert share <= MOST_HELPERS_USED_ONCE, f"{len(once)} of {total} functions ({share:.1%}):\n" + "\n".join(once)


@pytest.mark.parametrize("file", DOCS, ids=lambda file: file.name)
def test_each_file_that_a_document_links_to_is_there(file: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", file.read_text())
    assert [link for link in links if not re.match(r"[a-z]+:", link) and not (file.parent / link).exists()] == []


def test_each_test_that_is_named_is_there() -> None:
    """In the documents, in the product and in the configuration."""
    texts = {file: file.read_text() for file in (*DOCS, ROOT / "pyproject.toml")}
    texts |= {file: file.read_text() for file in TREES}
    missing = [
        f"{place(file)}: {name}"
        for file, text in texts.items()
        for name in re.findall(r"tests/[\w/]+\.py", text)
        if not (ROOT / name).exists()
    ]
    assert missing == []
