"""Telling people: a `kill -9` in the middle drops nothing, and `notify-test` says what became of its message."""

import http.server
import json
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.installed import Place
from tests.wait import PATIENCE, until

SECRET = "s3cret-token"  # noqa: S105 - what must be seen nowhere


class Hook:
    """A web server that takes messages, or lets them hang."""

    def __init__(self) -> None:
        self.titles: list[str] = []
        self.arrived = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body: Any = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.arrived.set()
                if not hook.may_answer.wait(PATIENCE):
                    return
                hook.titles.append(body["title"])
                self.send_response(500 if self.path.endswith("bad") else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def address(self, name: str) -> str:
        return f"json://127.0.0.1:{self.server.server_port}/{SECRET}/{name}"


@pytest.fixture
def hook() -> Iterator[Hook]:
    found = Hook()
    yield found
    found.may_answer.set()
    found.server.shutdown()
    found.server.server_close()


def test_a_kill_in_the_middle_drops_nothing(place: Place, hook: Hook) -> None:
    notify = place.work / "notify.toml"
    notify.write_text(
        f'[targets]\nops = "{hook.address("ops")}"\nlead = "{hook.address("lead")}"\n'
        '[[routes]]\nto = "ops"\ngroup = 0\n[[routes]]\nto = "lead"\nafter = 3\ngroup = 0\n'
    )
    up = place.up("--data-dir", "data", MISSIONOPS_NOTIFY_FILE=str(notify))
    environment = {"MISSIONOPS_NATS_URL": up.nats}
    limits = place.work / "limits.json"
    limits.write_text('{"parameters": {"temp": {"critHigh": 70}}}')
    assert place.run("set-config", "SC-001", "--file", limits, **environment).code == 0
    hook.may_answer.clear()
    assert place.run("publish", "SC-001", "--param", "temp=75", **environment).code == 0
    assert hook.arrived.wait(PATIENCE)
    up.signal(signal.SIGKILL)
    up.end()
    hook.may_answer.set()
    hook.titles.clear()
    again = place.up("--data-dir", "data", MISSIONOPS_NOTIFY_FILE=str(notify))
    until(lambda: len(hook.titles) >= 2, "the message that was being sent, and the escalation", seconds=2 * PATIENCE)
    assert set(hook.titles) == {"HIGH SC-001 temp 75"}
    assert SECRET not in up.err + again.err
    again.stop()


def test_a_message_is_sent_by_hand(place: Place, hook: Hook) -> None:
    notify = place.work / "notify.toml"
    notify.write_text(
        f'[targets]\nops = "{hook.address("ops")}"\nbad = "{hook.address("bad")}"\nnobody = "json://127.0.0.1:1/{SECRET}"\n'
    )
    sent = place.run("notify-test", "ops", "--file", notify)
    assert (sent.code, sent.out) == (0, "The target ops has taken the message: see whether it has arrived.\n")
    assert hook.titles == ["missionops: a test"]
    named = {"MISSIONOPS_NOTIFY_FILE": str(notify)}
    assert place.run("notify-test", "bad", **named).sentence == (
        "Error: The target bad did not take the message: it answered with the status 500."
    )
    assert place.run("notify-test", "nobody", **named).sentence == (
        "Error: The target nobody did not take the message: there was no connection, or no answer."
    )
    assert place.run("notify-test", "boss", **named).sentence == (
        f"Error: The notify file {notify} has no target 'boss'; it has ops, bad, nobody."
    )
    assert place.run("notify-test", "ops").sentence == (
        "Error: There is no notify file: name one by --file or MISSIONOPS_NOTIFY_FILE."
    )


def test_a_fault_in_the_file_ends_up_at_once(place: Place) -> None:
    notify = place.work / "notify.toml"
    notify.write_text(f'[targets]\nops = "nosuch://{SECRET}"\n')
    done = place.run("up", "--ephemeral", MISSIONOPS_NOTIFY_FILE=str(notify))
    assert "targets.ops: Apprise cannot use its address" in done.sentence
    assert SECRET not in done.err
