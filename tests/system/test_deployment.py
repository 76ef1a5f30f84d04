"""compose.yaml and what it mounts: as far as they can be tried without containers."""

import itertools
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import asyncpg
import nats
import pytest

from tests.system import deployed
from tests.system.deployed import Nats
from tests.system.installed import Place, Running, Up
from tests.wait import until


@pytest.fixture
def production_nats(place: Place) -> Iterator[Nats]:
    """nats-server with the configuration of compose.yaml."""
    with deployed.nats_server(place.root) as server:
        yield server


@pytest.fixture
async def production_database(up: Up) -> AsyncIterator[str]:
    """A database with the roles of compose.yaml, as its superuser. Not that of `up`, which follows another stream."""
    async for database in database_of(up, "production"):
        deployed.make_roles(database)
        yield database


async def database_of(up: Up, name: str) -> AsyncIterator[str]:
    connection = await asyncpg.connect(up.database)
    await connection.execute(f"CREATE DATABASE {name}")
    yield up.database.replace("/missionops?", f"/{name}?")
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


def test_the_service_runs_with_the_environment_of_compose(
    place: Place, production_nats: Nats, production_database: str
) -> None:
    migrated = place.run("migrate", **deployed.environment("migrate", None, production_database))
    assert (migrated.code, "applied 0001_" in migrated.err) == (0, True), migrated.err
    serving = serve(place, production_nats, production_database)
    publisher, operator, auditor = (production_nats.user(name) for name in ("SC-001", "operator", "auditor"))

    watching = place.start("watch", "--count", "1", **operator)
    watching.said("Watching alarms.*")
    limits = '{"parameters": {"t": {"critHigh": 1}}}'
    assert place.run("set-config", "SC-001", "--file", "-", stdin=limits, **operator).code == 0
    assert place.run("publish", "SC-001", "--param", "t=2", **publisher).code == 0
    assert "SC-001" in watching.end().out
    until(
        lambda: place.run("watch", "--since", "1h", "--count", "1", **operator).out == watching.out, "what was watched"
    )
    for command in ("list-telemetry", "list-anomalies", "analyze-telemetry"):
        assert "SC-001" in place.run(command, "--spacecraft-id", "SC-001", "--json", **auditor).out

    assert serving.stop().code == 0
    assert not [password for password in deployed.PASSWORDS.values() if password in serving.err + migrated.err]


async def test_dead_letters_are_the_operators(place: Place, production_nats: Nats, production_database: str) -> None:
    assert place.run("migrate", **deployed.environment("migrate", None, production_database)).code == 0
    serving = serve(place, production_nats, production_database)
    publisher, operator, auditor = (production_nats.user(name) for name in ("SC-001", "operator", "auditor"))
    password = publisher["MISSIONOPS_NATS_PASSWORD"]
    client = await nats.connect(production_nats.url, user="SC-001", password=password, inbox_prefix="_INBOX.SC-001")
    await client.jetstream().publish("telemetry.SC-001", b"no snapshot")
    await client.close()

    def letters(user: Mapping[str, str]) -> list[int]:
        done = place.run("dead-letters", "list", "--json", **user)
        assert done.code == 0, done.err
        return [letter["sequence"] for letter in json.loads(done.out)]

    until(lambda: letters(operator) == [1], "the dead letter")
    assert letters(auditor) == [1]
    refused = place.run("dead-letters", "list", **publisher).sentence
    assert "may not publish to missionops.deadletters.list" in refused
    assert (
        "may not publish to missionops.deadletters.replay"
        in place.run("dead-letters", "replay", "1", **auditor).sentence
    )
    assert place.run("dead-letters", "replay", "1", **operator).code == 0
    until(lambda: letters(operator) == [2], "the letter to go, and come back as bad as it was")
    assert serving.stop().code == 0


@pytest.mark.parametrize(
    ("role", "command", "reason"),
    [
        ("SC-001", ("publish", "SC-002", "--param", "t=1"), "may not publish to telemetry.SC-002"),
        ("SC-001", ("watch",), "may not listen to alarms.*"),
        ("SC-001", ("get-config", "SC-001"), "may not publish to missionops.config.get.SC-001"),
        ("SC-001", ("list-spacecraft",), "may not publish to missionops.spacecraft.list"),
        ("auditor", ("publish", "SC-001", "--param", "t=1"), "may not publish to telemetry.SC-001"),
        ("auditor", ("register", "SC-001"), "may not publish to missionops.spacecraft.register.SC-001"),
        ("auditor", ("record-event", "SC-001", "hello"), "may not publish to missionops.events.record.SC-001"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_who_is_refused_is_told_why(
    place: Place, production_nats: Nats, role: str, command: tuple[str, ...], reason: str
) -> None:
    done = place.run(*command, **production_nats.user(role))
    assert done.code == 1
    assert f"NATS refuses it: the user {reason}" in done.err.splitlines()[-1]


def test_a_wrong_password_and_a_wrong_inbox_are_told(place: Place, production_nats: Nats) -> None:
    operator = production_nats.user("operator")
    wrong = place.run("watch", **operator | {"MISSIONOPS_NATS_PASSWORD": "wrong"}).sentence
    assert "refuses this user: set MISSIONOPS_NATS_USER and MISSIONOPS_NATS_PASSWORD" in wrong
    deaf = place.run("status", "SC-001", **operator, MISSIONOPS_NATS_INBOX_PREFIX="_INBOX").sentence
    assert "give the inbox prefix that the user may listen to in MISSIONOPS_NATS_INBOX_PREFIX" in deaf


def test_a_service_that_is_refused_says_why_and_ends(
    place: Place, production_nats: Nats, production_database: str
) -> None:
    assert place.run("migrate", **deployed.environment("migrate", None, production_database)).code == 0
    given = deployed.environment("missionops", production_nats, production_database) | {"MISSIONOPS_HTTP_PORT": "0"}
    wrong = place.run("serve", **given | {"MISSIONOPS_NATS_PASSWORD": "wrong"})
    assert (wrong.code, "NATS refuses us (nats: 'Authorization Violation')" in wrong.err) == (1, True), wrong.err
    auditor = place.run("serve", **given | production_nats.user("auditor"))
    reason = "NATS refuses it: the user may not publish to $JS.API."
    assert (auditor.code, reason in auditor.err) == (1, True), auditor.err


async def test_two_missions_on_one_server_do_not_see_each_other(place: Place, up: Up) -> None:
    passwords = {f"NATS_SECOND_{name}_PASSWORD": "71" for name in ("SERVICE", "OPERATOR", "SC_001")}
    with deployed.nats_server(place.root, change=with_second, **passwords) as nats:
        async for first in database_of(up, "production"):
            async for second in database_of(up, "second"):
                await _check_two_missions(place, nats, first, second)


def with_second(config: str) -> str:
    """With the second mission that the configuration has as a comment."""
    before, mark, rest = config.partition("  # SECOND {\n")
    lines = (mark + rest).splitlines(keepends=True)
    block = list(itertools.takewhile(lambda line: line.startswith("  # "), lines))
    assert "second-SC-001" in "".join(block)
    assert lines[len(block)] == "}\n"
    return before + "".join(line.replace("  # ", "  ") for line in block) + "".join(lines[len(block) :])


async def _check_two_missions(place: Place, nats: Nats, first: str, second: str) -> None:
    deployed.make_roles(first)
    deployed.make_roles(second, mission="second")
    user = {
        "MISSIONOPS_NATS_URL": nats.url,
        "MISSIONOPS_NATS_USER": "second-service",
        "MISSIONOPS_NATS_PASSWORD": "71",
        "MISSIONOPS_NATS_INBOX_PREFIX": "_INBOX.service",
    }
    operator = user | {
        "MISSIONOPS_NATS_USER": "second-operator",
        "MISSIONOPS_NATS_INBOX_PREFIX": "_INBOX.operator",
    }
    publisher = user | {
        "MISSIONOPS_NATS_USER": "second-SC-001",
        "MISSIONOPS_NATS_INBOX_PREFIX": "_INBOX.second-SC-001",
    }
    as_role = second.replace("//postgres@", "//{}@")
    for database, role in ((first, "mission_migrator"), (second, "second_migrator")):
        own = database.replace("//postgres@", f"//{role}@")
        assert place.run("migrate", MISSIONOPS_DATABASE_URL=own).code == 0
    one = serve(place, nats, first)
    two = place.start("serve", **user, MISSIONOPS_DATABASE_URL=as_role.format("second_app"), MISSIONOPS_HTTP_PORT="0")
    two.said("missionops serves")

    clients = ((nats.user("operator"), nats.user("SC-001"), 1), (operator, publisher, 2))
    for client, spacecraft, value in clients:
        assert place.run("publish", "SC-001", "--param", f"t={value}", **spacecraft).code == 0
        until(partial(listing, place, client), "the snapshot")
    for client, _, value in clients:
        assert [item["parameters"] for item in listing(place, client)] == [{"t": value}]

    # Not through the database either: the roles of one may not come into the other's.
    for database, role in ((first, "second_app"), (second, "mission_app"), (second, "mission_reader")):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="CONNECT"):
            await asyncpg.connect(database.replace("//postgres@", f"//{role}@"))
    assert (one.stop().code, two.stop().code) == (0, 0)


def listing(place: Place, client: Mapping[str, str]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(
        place.run("list-telemetry", "--spacecraft-id", "SC-001", "--json", **client).out
    )
    return found


def serve(place: Place, nats: Nats, database: str) -> Running:
    """`serve` with the environment of compose.yaml."""
    given = deployed.environment("missionops", nats, database)
    serving = place.start("serve", **given | {"MISSIONOPS_HTTP_PORT": "0"})
    serving.said("missionops serves")
    return serving


def test_compose_accepts_the_file(place: Place) -> None:
    done = compose(place, **deployed.PASSWORDS)
    assert done.returncode == 0, done.stderr
    assert "postgresql://mission_app:" in done.stdout
    assert "0.0.0.0" not in done.stdout


def test_compose_wants_passwords(place: Place) -> None:
    done = compose(place)
    assert done.returncode != 0
    assert ".env.example" in done.stderr


def compose(place: Place, **passwords: str) -> "subprocess.CompletedProcess[str]":
    """`docker compose config` on a copy, beside which there is no .env."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and run([*command, "version"]).returncode == 0:
            shutil.copy(deployed.COMPOSE, place.work)
            return run([*command, "--file", place.work / "compose.yaml", "config"], place.environment | passwords)
    pytest.skip("docker compose is not installed")


def run(
    command: Sequence[str | Path], environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_no_container_has_a_password_that_it_does_not_need() -> None:
    needed = {
        "missionops": {"NATS_SERVICE_PASSWORD", "POSTGRES_APP_PASSWORD"},
        "migrate": {"POSTGRES_MIGRATOR_PASSWORD"},
        "nats": {name for name in deployed.PASSWORDS if name.startswith("NATS_")},
        "postgres": {name for name in deployed.PASSWORDS if name.startswith("POSTGRES_")},
    }
    for name, service in deployed.services().items():
        said = " ".join(value for value in service["environment"].values() if value)
        assert {word for word in deployed.PASSWORDS if f"${{{word}:?" in said} == needed[name], name


def test_every_service_is_bounded_and_what_is_ours_cannot_change_itself() -> None:
    for name, service in deployed.services().items():
        assert "no-new-privileges:true" in service["security_opt"], name
        if name != "migrate":
            assert service["restart"] == "unless-stopped"
            assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}, name
        if name != "missionops":
            continue
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    version = tomllib.loads((deployed.CHECKOUT / "pyproject.toml").read_text())["project"]["version"]
    assert f"MISSIONOPS_VERSION:-{version}" in deployed.COMPOSE.read_text()


AS_IN_A_CONTAINER = """
mount --make-rprivate / && mount --bind / /mnt && mount -o remount,bind,ro /mnt &&
mount --rbind /dev /mnt/dev && mount --rbind /proc /mnt/proc &&
exec chroot /mnt setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
"""


def test_the_service_needs_no_capability_and_no_file_that_it_can_write(
    place: Place, up: Up, production_nats: Nats, production_database: str
) -> None:
    assert place.run("migrate", **deployed.environment("migrate", None, production_database)).code == 0
    place.prefix = ("unshare", "--mount", "sh", "-c", AS_IN_A_CONTAINER, "sh")
    if not shutil.which("unshare") or run([*place.prefix, place.command, "--version"]).returncode != 0:
        pytest.skip("this user can make no place that looks like a container")
    up.sockets.chmod(0o755)  # the embedded PostgreSQL is closed to other users
    try:
        serving = serve(place, production_nats, production_database)
        port = serving.err.partition("HTTP on http://127.0.0.1:")[2].partition(".")[0]
        # The image's own health check, as it stands there.
        dockerfile = (deployed.CHECKOUT / "Dockerfile").read_text()
        found = re.search(r'CMD \["python", "-c", "(import os, urllib.*)"\]', dockerfile)
        assert found
        check = [sys.executable, "-c", found[1]]
        assert run(check, {"MISSIONOPS_HTTP_PORT": port}).returncode == 0
        assert serving.stop().code == 0
        assert run(check, {"MISSIONOPS_HTTP_PORT": port}).returncode != 0
    finally:
        up.sockets.chmod(0o700)
    assert place.files() == []


def test_no_password_is_in_the_repository() -> None:
    example = deployed.EXAMPLE.read_text()
    assert [line for line in example.splitlines() if line and not line.startswith("#") and not line.endswith("=")] == []


def test_the_image_holds_no_servers_and_no_root() -> None:
    dockerfile = (deployed.CHECKOUT / "Dockerfile").read_text()
    stages = re.split(r"(?m)^FROM ", dockerfile)[1:]
    assert [stage.split()[0] for stage in stages] == ["python:${PYTHON}-slim", "python:${PYTHON}-slim"]
    assert not re.search(r"(?m)^[^#]*embedded", dockerfile)
    assert re.search(r"(?m)^USER [1-9][0-9]*:[1-9][0-9]*$", stages[-1])
    assert 'org.opencontainers.image.version="${VERSION}"' in stages[-1]
    assert "HEALTHCHECK" in stages[-1]
