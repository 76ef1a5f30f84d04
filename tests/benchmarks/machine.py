"""Which machine the figures are from."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from tests.benchmarks.process import ROOT
from tests.benchmarks.stage import Stage


async def described(stage: Stage, directory: Path) -> dict[str, Any]:
    """The machine and what runs on it, in words."""
    connection = await asyncpg.connect(stage.servers.postgres.dsn())
    postgres, fsync, commit = [
        await connection.fetchval(f"SHOW {name}") for name in ("server_version", "fsync", "synchronous_commit")
    ]
    await connection.close()
    return {
        "CPU": f"{_cpu()}, {os.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": platform.platform(),
        "file system": _file_system(directory),
        "Python": platform.python_version(),
        "nats-server": f"{stage.client.connected_server_version}, sync_interval {stage.servers.nats.sync_interval}",
        "PostgreSQL": f"{postgres}, fsync {fsync}, synchronous_commit {commit}",
        "commit": _commit(),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _file_system(directory: Path) -> str:
    mounts = [part for part in psutil.disk_partitions(all=True) if directory.is_relative_to(part.mountpoint)]
    return max(mounts, key=lambda part: len(part.mountpoint)).fstype if mounts else "unknown"


def _commit() -> str:
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
