"""The peer of the benchmark: a stream engine in Rust does the same job on the same servers.

It stores each message that comes, repeats too, and derives no id; see stream_engine.py. uv installs it in an
environment of its own when it is asked for with `--only peer`: it has 1.3 GB, and is no dependency of the project.
"""

import asyncio
import dataclasses
import tempfile
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import asyncpg
from nats.js.api import StreamConfig

from tests.benchmarks import process
from tests.benchmarks.path import Figures
from tests.benchmarks.process import ROOT, Helper
from tests.benchmarks.stage import Stage
from tests.benchmarks.workload import Workload

_ENGINE = "pathway==0.33.0"
_STREAM = "PEER"
_LOOK = 0.1
_WRITTEN = "SELECT count(*) FROM engine_snapshot"


async def measured(stage: Stage, workload: Workload) -> Figures:
    """Snapshots a second, from the first publish until the last is in PostgreSQL."""
    load = dataclasses.replace(workload, subject=_STREAM.lower())
    async with stage.database() as dsn:
        await stage.client.jsm().add_stream(StreamConfig(name=_STREAM, subjects=[f"{_STREAM.lower()}.>"]))
        connection = await asyncpg.connect(dsn)
        try:
            async with _engine(stage.url, dsn) as pid, Helper.running("generator", stage.url, load.as_json()) as helper:
                before = process.cpu_seconds(pid)
                told = await helper.go()
                while await connection.fetchval(_WRITTEN) < len(load.order()):
                    await asyncio.sleep(_LOOK)
                seconds, used = time.monotonic() - told["began"], process.cpu_seconds(pid) - before
        finally:
            await connection.close()
    return {
        "snapshots/s": load.snapshots / seconds,
        "parameters/s": load.snapshots * load.parameters / seconds,
        "CPU s service": used * 100_000 / load.snapshots,
    }


@asynccontextmanager
async def _engine(url: str, dsn: str) -> AsyncIterator[int]:
    """The engine's process, running."""
    parts = urlsplit(dsn)
    options = parse_qs(parts.query)
    host, port = options["host"][0], options["port"][0]
    parameter = next(iter(Workload(rules=1).config["parameters"]))
    script = str(ROOT / "tests/benchmarks/stream_engine.py")
    command = ("uv", "run", "--no-project", "--with", _ENGINE, "python", script, url, _STREAM, parameter, host, port)
    with tempfile.TemporaryFile() as log:
        running = await asyncio.create_subprocess_exec(
            *command, parts.path.removeprefix("/"), stdout=PIPE, stderr=log, cwd=ROOT, env=process.environment()
        )
        try:
            assert running.stdout
            if await running.stdout.readline() != b"ready\n":
                log.seek(0)
                raise RuntimeError(log.read().decode())
            yield running.pid
        finally:
            await process.ended(running)
