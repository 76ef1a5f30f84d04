"""The service as its supervisor sees it: a process that is started again whenever it ends."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.chaos.proxy import Proxy

_POLL = 0.02
_RESTART = 0.2
_STOP = 20.0


class Service:
    """One instance, with a network of its own to each server."""

    def __init__(  # noqa: PLR0917 - one for each thing it is made of
        self, name: str, command: Sequence[str], environment: Mapping[str, str], nats: Proxy, database: Proxy, log: Path
    ) -> None:
        self.name = name
        self.nats = nats
        self.database = database
        self.log = log
        self.exits: list[int] = []
        self._command = command
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._supervision: asyncio.Task[None] | None = None

    @property
    def is_wanted(self) -> bool:
        return self._supervision is not None

    def start(self) -> None:
        self._supervision = asyncio.create_task(self._supervise())

    async def stop(self) -> int:
        """SIGTERM, and its exit code; one that does not heed it is killed, and answers -9."""
        process = await self._retire()
        if process is None:
            return 0
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP):
                while process.poll() is None:
                    await asyncio.sleep(_POLL)
        if process.poll() is None:
            process.kill()
        return process.wait()

    async def kill(self) -> None:
        """SIGKILL, and no restart."""
        process = await self._retire()
        if process:
            process.kill()
            process.wait()

    def signal(self, number: int) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)

    async def _retire(self) -> "subprocess.Popen[bytes] | None":
        if self._supervision:
            self._supervision.cancel()
            await asyncio.gather(self._supervision, return_exceptions=True)
            self._supervision = None
        return self._process

    async def _supervise(self) -> None:
        while True:
            self._process = self._spawn()
            while (code := self._process.poll()) is None:
                await asyncio.sleep(_POLL)
            self.exits.append(code)
            await asyncio.sleep(_RESTART)

    def _spawn(self) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self._command,
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
