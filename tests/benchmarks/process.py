"""Processes that the benchmark starts, and what it knows of any process: CPU seconds and peak memory."""

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("missionops")
_LONGEST_LINE = 64 << 20


def environment(**given: str) -> dict[str, str]:
    """The person's, without settings of the product but those given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MISSIONOPS_")}
    return kept | given


class Helper:
    """A module of this package as a process of its own, that gets ready, waits for a word, and tells its result."""

    def __init__(self, process: Process) -> None:
        self.process = process

    @classmethod
    @asynccontextmanager
    async def running(cls, module: str, *arguments: str) -> AsyncIterator["Helper"]:
        """The process for the time of a block, ready."""
        command = (sys.executable, "-m", f"tests.benchmarks.{module}", *arguments)
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, limit=_LONGEST_LINE, cwd=ROOT, env=environment()
        )
        helper = cls(process)
        try:
            await helper.line()
            yield helper
        finally:
            await ended(process)

    async def line(self) -> str:
        """The next line that it says."""
        assert self.process.stdout
        said = await self.process.stdout.readline()
        if not said:
            raise RuntimeError("a helper of the benchmark has failed; see above")
        return said.decode()

    async def go(self) -> Any:
        """Let it work; what it tells at the end."""
        assert self.process.stdin
        self.process.stdin.write(b"\n")
        return json.loads(await self.line())


async def ended(process: Process) -> None:
    """End it in order."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    await process.wait()


def cpu_seconds(pid: int) -> float:
    """Of a process and all its children, living or (where the system counts them) dead."""
    total = 0.0
    root = psutil.Process(pid)
    for process in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])  # user, system, and those of children that have ended
    return total


def peak_bytes(pid: int) -> int:
    """The most memory that it ever held; where the system does not tell, what it holds now."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        return 1024 * next(int(line.split()[1]) for line in status.open() if line.startswith("VmHWM:"))
    return int(psutil.Process(pid).memory_info().rss)
