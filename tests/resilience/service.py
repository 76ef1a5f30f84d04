"""The service as its supervisor sees it: a process that is started again whenever it ends."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from missionops.embedded.process import Process
from tests.resilience.proxy import Proxy

_RESTART_SECONDS = 0.2
_STOP_SECONDS = 30.0


class Service:
    """One instance, with a network of its own to each server; it ends with the test process, however that ends."""

    def __init__(  # noqa: PLR0917 - one for each thing it is made of
        self, name: str, command: Sequence[str], environment: Mapping[str, str], nats: Proxy, database: Proxy, log: Path
    ) -> None:
        self.name = name
        self.nats = nats
        self.database = database
        self.log = log
        self.exits: list[int] = []
        """The exit codes of runs that ended although nobody stopped the service; 128 + the number of a signal."""
        self._command = ["/usr/bin/env", *(f"{key}={value}" for key, value in environment.items()), *command]
        self._process: Process | None = None
        self._supervision: asyncio.Task[None] | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether it was started and not stopped."""
        return self._supervision is not None

    @property
    def pid(self) -> int | None:
        """Its process id, while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it, and start it again whenever it ends."""
        self._supervision = self._supervision or asyncio.create_task(self._supervise())

    async def stop(self) -> int:
        """Send SIGTERM and return the exit code; it is killed, and the code is 137, if it does not stop in time."""
        process = await self._end_supervision()
        if process is None:
            return 0
        await process.started()
        _signal(process, signal.SIGCONT)
        _signal(process, signal.SIGTERM)
        if not await process.exited_within(_STOP_SECONDS):
            await process.kill()
        return await process.wait()

    async def kill(self) -> None:
        """Send SIGKILL, and do not start it again."""
        process = await self._end_supervision()
        if process:
            await process.kill()

    def signal(self, number: int) -> None:
        """Send a signal to the process, if there is one."""
        if self._process:
            _signal(self._process, number)

    async def _end_supervision(self) -> Process | None:
        if self._supervision:
            self._supervision.cancel()
            await asyncio.gather(self._supervision, return_exceptions=True)
            self._supervision = None
        return self._process

    async def _supervise(self) -> None:
        while True:
            self._process = Process(self._command, self.log)
            self.exits.append(await self._process.wait())
            await asyncio.sleep(_RESTART_SECONDS)


def _signal(process: Process, number: int) -> None:
    if pid := process.pid:
        with contextlib.suppress(ProcessLookupError):  # it ended just now
            os.kill(pid, number)
