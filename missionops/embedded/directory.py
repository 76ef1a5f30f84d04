"""The directory in which the embedded servers keep their data."""

import asyncio
import fcntl
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from missionops import errors
from missionops.embedded import postgres

MARKER = "missionops.json"
LOCK = "lock"
LAYOUT = {"layout": 1, "postgres": postgres.MAJOR}
HARMLESS = {LOCK, "lost+found"}
RELEASE_SECONDS = 10.0
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class DataDirectory:
    """A data directory that no other process can open while this one has it open.

    `lock` is the descriptor of a locked file. The servers inherit it, so the directory stays locked while one of them
    runs. The directories in `remove` are removed when this process ends.
    """

    path: Path
    lock: int
    remove: tuple[Path, ...] = ()

    @property
    def nats(self) -> Path:
        """The streams."""
        return self.path / "nats"

    @property
    def postgres(self) -> Path:
        """The database."""
        return self.path / "postgres"

    def secret(self, name: str) -> str:
        """A password that is generated once and kept in a file that only this user may read."""
        file = self.path / name
        try:
            return file.read_text().strip()
        except FileNotFoundError:
            password = secrets.token_urlsafe()
            file.touch(mode=0o600)
            file.write_text(f"{password}\n")
            return password

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path) -> AsyncIterator["DataDirectory"]:
        """Opens a data directory, or makes one of an empty or absent directory; SetupError for any other."""
        path = await asyncio.to_thread(_admit, path)
        lock = await _lock(path)
        try:
            await asyncio.to_thread(_mark, path)
            yield cls(path, lock)
        finally:
            os.close(lock)

    @classmethod
    @asynccontextmanager
    async def ephemeral(cls) -> AsyncIterator["DataDirectory"]:
        """A temporary directory that is removed afterwards, even if this process is killed."""
        path = Path(tempfile.mkdtemp(prefix="missionops-data-"))
        try:
            async with cls.open(path) as directory:
                yield cls(directory.path, directory.lock, (directory.path,))
        finally:
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)


def _admit(path: Path) -> Path:
    """The absolute path of a data directory or an empty one, created if absent; no other directory is changed."""
    path = path.absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        present = {entry.name for entry in path.iterdir()}
    except (FileExistsError, NotADirectoryError):
        raise errors.SetupError(f"{path} is not a directory: name another one.") from None
    except OSError as error:
        raise errors.SetupError(f"{path} cannot be opened ({error.strerror}): name another directory.") from None
    if MARKER in present:
        # Root could open another user's directory, but would leave files in it that this user cannot open.
        if (owner := (path / MARKER).stat().st_uid) != os.geteuid():
            raise errors.SetupError(
                f"{path} belongs to the user with id {owner}: start as that user, or name another one."
            )
    elif present - HARMLESS:
        raise errors.SetupError(
            f"{path} is not empty and not a data directory of missionops: name an empty or a new one."
        )
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise errors.SetupError(f"{path} may not be written by this user: change its owner, or name another directory.")
    return path


async def _lock(path: Path) -> int:
    """The descriptor of the locked file; waits for the servers of a process that has ended."""
    descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = asyncio.get_running_loop().time() + RELEASE_SECONDS
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = os.pread(descriptor, 32, 0).decode().strip()
            try:
                os.kill(int(holder), 0)
                is_alive = True
            except PermissionError:
                is_alive = True
            except (ValueError, ProcessLookupError):
                is_alive = False  # The number is not written yet, or the process has ended.
            if is_alive:
                raise errors.SetupError(  # noqa: TRY301 - the descriptor is closed below
                    f"{path} is in use by process {holder}: stop it, or name another directory."
                )
            if asyncio.get_running_loop().time() > deadline:
                raise errors.SetupError(  # noqa: TRY301 - as above
                    f"{path} is still in use by the servers of process {holder}, which is gone: stop them."
                )
            await asyncio.sleep(POLL_SECONDS)
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _mark(path: Path) -> None:
    """Write the file that marks a data directory, or check that this version can use the one that is there."""
    marker = path / MARKER
    if not marker.exists():
        marker.write_text(json.dumps(LAYOUT) + "\n")
    try:
        found = json.loads(marker.read_text())
    except ValueError:
        found = "unreadable"
    if found != LAYOUT:
        raise errors.SetupError(f"{path} was made by another version ({found}, not {LAYOUT}): name another directory.")
    version = path / "postgres" / "PG_VERSION"
    if version.exists() and (major := version.read_text().strip()) != str(postgres.MAJOR):
        raise errors.SetupError(
            f"{path} holds data of PostgreSQL {major}, not {postgres.MAJOR}: name another directory."
        )
