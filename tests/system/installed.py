"""The installed command as a subprocess, as a person starts it. Nothing of missionops is imported here."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.data_directories import PARENT
from tests.wait import PATIENCE, until

COMMAND = Path(sys.executable).with_name("missionops")
SAMPLES = Path(__file__).parents[2] / "missionops" / "samples"
_MARK = "SYSTEM_TEST"
_CONFUSING = (
    "MISSIONOPS_",
    "PYTHON",
    "PG",
    "NATS_",
    "PYTEST_",
    "COV_",
    "NO_COLOR",
    "FORCE_COLOR",
    "COLUMNS",
    "LINES",
    "TERM",
)


def busy(seconds: float) -> float:
    """What a promise in seconds means on a machine that has other things to do as well."""
    return seconds * max(1.0, 2 * os.getloadavg()[0] / (os.cpu_count() or 1))


class Done(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """What it complained in, checked to be all that there is: one line, without a traceback."""
        assert self.code not in {0, None}, f"it should have failed: {self}"
        assert "Traceback" not in self.err, self.err
        complaints = [line for line in self.err.splitlines() if not line.startswith('{"time"')]
        assert len(complaints) == 1, self.err
        return complaints[0]


class Running:
    """A command that has not ended."""

    def __init__(self, process: "subprocess.Popen[bytes]", out: Path, err: Path) -> None:
        self.process = process
        self._out = out
        self._err = err

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def said(self, text: str) -> str:
        """Wait until standard error holds the text, and return all of it."""
        until(lambda: text in self.err or self.process.poll() is not None, f"{text!r} from {self.process.args!r}")
        assert text in self.err, self.err
        return self.err

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def interrupt(self) -> None:
        """Ctrl-C in a terminal: to the whole process group."""
        os.killpg(self.pid, signal.SIGINT)

    def end(self, seconds: float = PATIENCE) -> Done:
        """Wait for its end."""
        return Done(self.process.wait(seconds), self.out, self.err)

    def stop(self) -> Done:
        self.signal(signal.SIGTERM)
        return self.end()


class Up(Running):
    """`missionops up`, ready."""

    addresses: Mapping[str, str]
    ready_file: Path

    @property
    def nats(self) -> str:
        return self.addresses["nats"]

    @property
    def http(self) -> str:
        return self.addresses["http"]

    @property
    def database(self) -> str:
        return self.addresses["database"]

    @property
    def sockets(self) -> Path:
        """PostgreSQL's socket directory, which lies outside its data."""
        return Path(self.database.partition("?host=")[2].partition("&")[0])


class Place:
    """Where a test starts commands: a working directory, a temporary directory, and a mark on every process."""

    def __init__(self) -> None:
        # Short: a socket's path may have about 100 bytes.
        self.root = Path(tempfile.mkdtemp(prefix="mo-", dir=PARENT))
        self.work = self.root / "work"
        self.temporary = self.root / "tmp"
        self._logs = self.root / "logs"
        self._token = uuid.uuid4().hex
        self._started: list[subprocess.Popen[bytes]] = []
        self.command = COMMAND
        self.prefix: Sequence[str] = ()
        """What the command is started with, as `setpriv …`."""
        for directory in (self.root, self.work, self.temporary, self._logs):
            directory.mkdir(exist_ok=True)

    def run(self, *arguments: str | Path, stdin: str = "", **environment: str) -> Done:
        """Run a command to its end."""
        return Running(*self._start(arguments, environment, stdin)).end()

    def start(self, *arguments: str | Path, **environment: str) -> Running:
        """Start a command that stays."""
        return Running(*self._start(arguments, environment))

    def up(self, *arguments: str | Path, **environment: str) -> Up:
        """`missionops up` on free ports; returns when its ready file says that it may be used."""
        ready = self._logs / f"{uuid.uuid4().hex}.json"
        ports = ("--nats-port", "0", "--http-port", "0")
        up = Up(*self._start(("up", *ports, "--ready-file", ready, *arguments), environment))
        until(lambda: ready.exists() or up.process.poll() is not None, "the ready file")
        assert ready.exists(), up.err
        up.ready_file, up.addresses = ready, json.loads(ready.read_text())
        return up

    def _start(
        self, arguments: Sequence[str | Path], environment: Mapping[str, str], stdin: str = ""
    ) -> "tuple[subprocess.Popen[bytes], Path, Path]":
        out, err, given = (self._logs / f"{len(self._started)}.{name}" for name in ("out", "err", "in"))
        given.write_text(stdin)
        with given.open("rb") as read, out.open("wb") as write, err.open("wb") as complain:
            process = subprocess.Popen(
                [*self.prefix, self.command, *arguments],
                cwd=self.work,
                env={**self.environment, **environment},
                stdin=read,
                stdout=write,
                stderr=complain,
                start_new_session=True,
            )
        self._started.append(process)
        return process, out, err

    @property
    def environment(self) -> dict[str, str]:
        """The person's, without what would steer us; everything started from it inherits the mark."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_CONFUSING)}
        return kept | {"TMPDIR": str(self.temporary), _MARK: self._token}

    def processes(self) -> dict[int, str]:
        """What was started here, by whomever, and still runs."""
        return {pid: line for pid, line in _processes() if f"{_MARK}={self._token}" in line or str(self.root) in line}

    def files(self) -> list[Path]:
        """What lies in the working and the temporary directory."""
        return sorted([*self.work.rglob("*"), *self.temporary.rglob("*")])

    def until_nothing_runs(self, seconds: float = 5.0) -> None:
        until(lambda: not self.processes(), f"the end of {self.processes()}", busy(seconds))

    def leave(self) -> None:
        """End what still runs, by its own means first, and remove all files; fails if there was nothing to do it."""
        for process in self._started:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
                process.wait(PATIENCE)
        try:
            self.until_nothing_runs()
        finally:
            for pid in self.processes():
                os.kill(pid, signal.SIGKILL)
            shutil.rmtree(self.root, ignore_errors=True)


@contextmanager
def place() -> Iterator[Place]:
    """A place for the time of a block; it is left without a process and a file."""
    found = Place()
    try:
        yield found
    finally:
        found.leave()


def get(url: str) -> tuple[int, dict[str, Any]]:
    """The status and the JSON of a URL."""
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:  # noqa: S310 - http on loopback
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def _processes() -> Iterator[tuple[int, str]]:
    """Each process with its command, environment and working directory, as far as we may look."""
    if not Path("/proc/self/environ").exists():
        table = subprocess.run(  # macOS: E adds the environment
            ["/bin/ps", "-axwwE", "-o", "pid=,command="], capture_output=True, text=True, check=True
        )
        for line in table.stdout.splitlines():
            pid, _, rest = line.strip().partition(" ")
            yield int(pid), rest
        return
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid() and (line := _described(entry)):
            yield int(entry.name), line


def _described(entry: Path) -> str:
    try:
        if (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return ""  # It has ended; its parent has not looked yet.
        # PostgreSQL's children write their titles over their environment, and stand in its data.
        told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        return f"{told.decode(errors='replace')} {(entry / 'cwd').readlink()}".replace("\0", " ")
    except OSError:
        return ""
