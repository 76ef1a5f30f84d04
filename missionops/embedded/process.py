"""A server's process, run by a supervisor that ends it when our own process ends."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from missionops import errors
from missionops.embedded import supervisor
from missionops.embedded.os_user import OsUser

TAIL_BYTES = 4096


class Process:
    """One run of a server: launched at once, stopped by `stop`, by `kill`, or by the end of our own process.

    `pass_fds` stay open in the server for as long as any process of it lives.
    `remove` are directories that the supervisor removes if our process dies before it can.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        cwd: Path = Path("/"),
        account: OsUser | None = None,
        pass_fds: Sequence[int] = (),
        remove: Sequence[Path] = (),
    ) -> None:
        self.log = log
        self._loop = asyncio.get_running_loop()
        self._pid: asyncio.Future[int] = self._loop.create_future()
        self._exited: asyncio.Future[int] = self._loop.create_future()
        options = [
            f"--log={log}",
            f"--cwd={cwd}",
            *(f"--inherit={fd}" for fd in pass_fds),
            *(f"--remove={path}" for path in remove),
        ]
        if account:
            options += [f"--user={account.user}", f"--group={account.group}"]
        arguments = [*options, "--", *map(str, command)]
        descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            self._log_start = os.fstat(descriptor).st_size
            # Not asyncio's subprocess: its transport sends SIGKILL to the supervisor when it is closed or collected.
            self._supervisor = subprocess.Popen(  # noqa: S603 - our own script
                [sys.executable, "-I", "-S", supervisor.__file__, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=descriptor,
                cwd="/",
                # PGPORT and the like are for clients, but PostgreSQL's server reads them too. Its messages in English.
                env={name: value for name, value in os.environ.items() if not name.startswith("PG")}
                | {"LC_ALL": "C", "TZ": "UTC"},
                pass_fds=tuple(pass_fds),
                start_new_session=True,  # so that Ctrl-C in the terminal reaches this process alone
            )
        finally:
            os.close(descriptor)
        self._loop.add_reader(self._output, self._on_output)

    async def started(self) -> int:
        """The server's process id, once it runs."""
        await asyncio.wait({self._pid, self._exited}, return_when=asyncio.FIRST_COMPLETED)
        if not self._pid.done():
            raise errors.SetupError(f"A server could not be started: {self.log_tail()}")
        return self._pid.result()

    @property
    def pid(self) -> int | None:
        """The server's own process id, while it runs."""
        return self._pid.result() if self._pid.done() and not self._exited.done() else None

    @property
    def exit_code(self) -> int | None:
        """None while it runs; 128 + the signal's number when a signal ended it."""
        return self._exited.result() if self._exited.done() else None

    async def wait(self) -> int:
        """Waits until the server has ended, for any reason; returns its exit code."""
        return await asyncio.shield(self._exited)

    async def exited_within(self, seconds: float) -> bool:
        """Waits until the server has ended, `seconds` at most; returns whether it has."""
        return bool((await asyncio.wait({self._exited}, timeout=seconds))[0])

    async def stop(self) -> None:
        """Shuts it down; kills it when it has not ended within three seconds."""
        request = self._supervisor.stdin
        if request and not request.closed:
            with contextlib.suppress(BrokenPipeError):  # The supervisor has just ended.
                os.write(request.fileno(), b".")
        await self.wait()

    async def kill(self) -> None:
        """SIGKILL to the server itself, as a crash would."""
        self._signal(await self.started())
        await self.wait()

    def log_tail(self, lines: int = 15) -> str:
        """The last lines that this run wrote."""
        with self.log.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            start = self._log_start if self._log_start <= end else 0  # The log was emptied since.
            log.seek(max(start, end - TAIL_BYTES))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])

    @property
    def _output(self) -> int:
        assert self._supervisor.stdout  # noqa: S101 - we asked for a pipe
        return self._supervisor.stdout.fileno()

    def _on_output(self) -> None:
        """Read the process id; when the output ends, the supervisor has ended."""
        if text := os.read(self._output, 64):
            self._pid.set_result(int(text))
            return
        self._loop.remove_reader(self._output)
        code = self._supervisor.wait()
        for pipe in (self._supervisor.stdin, self._supervisor.stdout):
            if pipe:
                pipe.close()
        if code < 0 and self._pid.done():
            self._signal(self._pid.result())  # The supervisor was killed, so nothing else would end its server.
        self._exited.set_result(code)

    def _signal(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):  # It has just ended.
            os.kill(pid, signal.SIGKILL)
