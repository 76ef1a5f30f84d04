"""The commands for tokens in docs/running.md, as they stand there."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.system import installed
from tests.system.installed import Place

RUNNING = Path(__file__).parents[2] / "docs" / "running.md"


def commands() -> str:
    section = RUNNING.read_text().partition("## Who may do what over HTTP")[2]
    found = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert found
    return found[1]


@pytest.mark.skipif(shutil.which("curl") is None, reason="they ask with curl")
def test_the_commands_for_tokens(place: Place) -> None:
    up = place.up("--ephemeral", MISSIONOPS_HTTP_AUTH="tokens")
    assert commands().count("localhost:8000") == 2
    script = commands().replace("localhost:8000", up.http).replace("curl ", "curl --fail -sS -w '\\n' ")
    done = subprocess.run(
        ["/bin/sh", "-euc", script],
        env=place.environment
        | {"PATH": f"{installed.COMMAND.parent}:{place.environment['PATH']}", "MISSIONOPS_DATABASE_URL": up.database},
        cwd=place.work, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    taken, listed, *table = done.stdout.splitlines()
    assert re.fullmatch(r'\{"id":"ts_[0-9a-f]{32}"\}', taken)
    assert '"parameters":{"temp":42}' in listed
    assert any("ground-station" in line and "SC-001" in line and "in force" in line for line in table)
    assert "Token ground-station is revoked." in done.stderr
    assert installed.get(f"{up.http}/spacecraft")[1]["error"]["code"] == "unauthenticated"
    assert up.stop().code == 0
