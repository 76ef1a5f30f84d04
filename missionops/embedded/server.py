"""What both embedded servers have in common: a process that is started, watched, stopped and started again."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import ClassVar

from missionops import errors
from missionops.embedded.process import Process

START_SECONDS = 60.0
POLL_SECONDS = 0.01


class Server(ABC):
    """One server on one directory; its log lies beside that directory."""

    name: ClassVar[str]
    product: ClassVar[str]
    """What people call it."""
    port_in_use: ClassVar[str]
    """What its log says where another program has its port."""

    def __init__(
        self, directory: Path, *, port: int | None, pass_fds: Sequence[int] = (), remove: Sequence[Path] = ()
    ) -> None:
        self.directory = directory.absolute()
        self.port = port
        """Of TCP; None where it listens on a socket alone."""
        self.log = self.directory.with_name(f"{self.directory.name}.log")
        self.process: Process | None = None
        self._pass_fds = tuple(pass_fds)
        self._remove = tuple(remove)

    @abstractmethod
    async def start(self) -> None:
        """Returns when clients can connect."""

    async def stop(self) -> None:
        """Shuts it down; it may be started again."""
        if self.process:
            await self.process.stop()

    async def kill(self) -> None:
        """SIGKILL, as a crash would; it may be started again."""
        await self._running.kill()

    async def died(self) -> str:
        """Waits until it has ended; returns a sentence about it, with the last line of its log."""
        process = self._running
        code = await process.wait()
        return f"{self.name} ended with code {code}; the last line of {self.log}: {process.log_tail(1)}"

    @property
    def pid(self) -> int | None:
        """The server's own process id, while it runs."""
        return self.process.pid if self.process else None

    @property
    def _running(self) -> Process:
        if not self.process:
            raise RuntimeError(f"{self.name} was not started")
        return self.process

    async def _until(self, answers: Callable[[], Awaitable[bool]]) -> None:
        process = self._running
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while not await answers():
            if await process.exited_within(POLL_SECONDS):
                raise self._refusal(process)
            if asyncio.get_running_loop().time() > deadline:
                raise errors.SetupError(f"{self.name} did not answer within {START_SECONDS:.0f} s; see {self.log}.")

    def _refusal(self, process: Process) -> errors.SetupError:
        if self.port is not None and self.port_in_use in process.log_tail():
            return errors.SetupError(
                f"Port {self.port} is in use: stop the program that listens there, or choose another port for "
                f"{self.product} (0 takes a free one)."
            )
        return errors.SetupError(f"{self.name} did not start; the last line of {self.log}: {process.log_tail(1)}")
