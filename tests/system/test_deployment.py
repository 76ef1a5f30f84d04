"""compose.yaml and what it mounts: as far as they can be tried without containers."""

import shutil
import socket
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import asyncpg
import nats
import pytest
from installed import Place, Up

CHECKOUT = Path(__file__).parents[2]
CONFIG = CHECKOUT / "missionops" / "deploy" / "nats.conf"
PASSWORD = "123456"  # noqa: S105 - of digits alone: in the configuration file it has to stay a string


@pytest.fixture
def production_nats(place: Place) -> Iterator[str]:
    """nats-server with the configuration file of compose.yaml, on other paths and ports."""
    config = CONFIG.read_text()
    assert "store_dir: /data" in config
    assert config.count("0.0.0.0") == 2
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = place.root / "nats.conf"
    own.write_text(config.replace("/data", str(place.root / "js")).replace("0.0.0.0", "127.0.0.1"))
    binary = Path(sysconfig.get_path("scripts"), "nats-server")
    with (place.root / "nats.log").open("wb") as log:
        server = subprocess.Popen(
            [binary, "--config", own, "--port", str(port), "--http_port", "-1"],
            env=place.environment | {"NATS_PASSWORD": f'"{PASSWORD}"'},
            stdout=log,
            stderr=log,
        )
    try:
        yield f"nats://missionops:{PASSWORD}@127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


async def test_the_service_runs_on_the_nats_of_production(place: Place, up: Up, production_nats: str) -> None:
    # A database of its own: the position in the other one belongs to another server's stream.
    connection = await asyncpg.connect(up.database)
    await connection.execute("CREATE DATABASE production")
    servers = {
        "MISSIONOPS_NATS_URL": production_nats,
        "MISSIONOPS_DATABASE_URL": up.database.replace("/missionops?", "/production?"),
        "MISSIONOPS_HTTP_PORT": "0",
    }
    assert place.run("migrate", **servers).code == 0
    serving = place.start("serve", **servers)
    said = serving.said("missionops serves")
    assert PASSWORD not in said
    assert place.run("publish", "PROD-1", "--param", "t=1", **servers).code == 0
    client = await nats.connect(production_nats)
    assert (await client.jetstream().stream_info("TELEMETRY")).state.messages == 1
    await client.close()
    assert "refuses this user" in place.run("watch", "--server", production_nats.replace(PASSWORD, "other")).sentence
    assert serving.stop().code == 0
    await connection.execute("DROP DATABASE production WITH (FORCE)")
    await connection.close()


def test_compose_accepts_the_file(place: Place) -> None:
    done = compose(place, MISSIONOPS_NATS_PASSWORD="a1", MISSIONOPS_POSTGRES_PASSWORD="b2")  # noqa: S106 - as good as any
    assert done.returncode == 0, done.stderr
    assert "nats://missionops:a1@nats:4222" in done.stdout
    assert "postgresql://missionops:b2@postgres:5432/missionops" in done.stdout
    assert "0.0.0.0" not in done.stdout


def test_compose_wants_passwords(place: Place) -> None:
    done = compose(place)
    assert done.returncode != 0
    assert ".env.example" in done.stderr


def compose(place: Place, **passwords: str) -> "subprocess.CompletedProcess[str]":
    """`docker compose config` on a copy, beside which there is no .env."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and run([*command, "version"]).returncode == 0:
            shutil.copy(CHECKOUT / "compose.yaml", place.work)
            return run([*command, "--file", place.work / "compose.yaml", "config"], place.environment | passwords)
    pytest.skip("docker compose is not installed")


def run(
    command: Sequence[str | Path], environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_no_password_is_in_the_repository() -> None:
    example = (CHECKOUT / ".env.example").read_text()
    assert [line for line in example.splitlines() if not line.startswith("#") and not line.endswith("=")] == []
