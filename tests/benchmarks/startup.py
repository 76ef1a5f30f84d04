"""How long a person waits: for the help, and for everything to be up."""

import asyncio
import tempfile
import time
from pathlib import Path

import psutil

from tests.benchmarks import process
from tests.benchmarks.path import Figures

_POLL = 0.01


async def shown() -> Figures:
    """`missionops --help`."""
    before, began = _children(), time.monotonic()
    running = await asyncio.create_subprocess_exec(
        process.COMMAND, "--help", env=process.environment(), stdout=asyncio.subprocess.DEVNULL
    )
    await running.wait()
    return {"CPU s": _children() - before, "seconds": time.monotonic() - began}


def _children() -> float:
    times = psutil.Process().cpu_times()
    return float(times.children_user + times.children_system)


async def up(directory: Path) -> dict[str, Figures]:
    """`missionops up` on a new data directory, and again on the same."""
    with tempfile.TemporaryDirectory(dir=directory) as place:
        return {name: await _up(Path(place)) for name in ("up, first time", "up, again")}


async def _up(place: Path) -> Figures:
    ready = place / "ready.json"
    options = ("--nats-port", "0", "--http-port", "0", "--data-dir", str(place / "data"), "--ready-file", str(ready))
    began = time.monotonic()
    running = await asyncio.create_subprocess_exec(
        process.COMMAND, "up", *options, env=process.environment(), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        while not ready.exists() and running.returncode is None:
            await asyncio.sleep(_POLL)
        return {"seconds": time.monotonic() - began}
    finally:
        await process.ended(running)
