"""The files of exact versions: what pyproject.toml asks for is in them, with hashes, and no registry's address."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "requirements.lock"
DEVELOPMENT = ROOT / ".ci" / "requirements-dev.lock"
REFRESH = "run .ci/pin"


def pinned(file: Path) -> dict[str, str]:
    """The exact version of each package."""
    found = re.findall(r"^([a-zA-Z0-9._-]+)(?:\[[^]]*])?==([^ ;]+)", file.read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def required(*, with_development: bool) -> Iterator[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    texts = list(project["project"]["dependencies"])
    if with_development:
        texts += project["project"]["optional-dependencies"]["embedded"] + project["dependency-groups"]["dev"]
    yield from (found for found in map(Requirement, texts) if found.name != "missionops")


@pytest.mark.parametrize("file", [SERVICE, DEVELOPMENT], ids=["service", "dev"])
def test_each_dependency_is_pinned_to_a_version_that_pyproject_allows(file: Path) -> None:
    versions = pinned(file)
    for requirement in required(with_development=file == DEVELOPMENT):
        version = versions.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is not in {file.name}: {REFRESH}"
        assert requirement.specifier.contains(version), f"{requirement} is pinned to {version}: {REFRESH}"


@pytest.mark.parametrize("file", [SERVICE, DEVELOPMENT], ids=["service", "dev"])
def test_each_version_has_hashes_and_nothing_names_where_it_came_from(file: Path) -> None:
    text = file.read_text()
    entries = re.split(r"\n(?=[a-zA-Z0-9])", text.partition("\n")[2])
    assert len(entries) == len(pinned(file)) > 0
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"://|index|find-links|/\w+/\w+/", text)


def test_the_tests_run_with_the_versions_of_the_service() -> None:
    development = pinned(DEVELOPMENT)
    assert {name: development.get(name) for name in pinned(SERVICE)} == pinned(SERVICE)
