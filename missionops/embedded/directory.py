"""The directory that holds everything our embedded servers keep."""

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
    """A directory that is ours alone for as long as it is open.

    `lock` is an open file with a lock on it. Servers inherit it: while one of them lives, no other process can open the
    directory. `remove` are the directories that are removed when our process ends.
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
        """A password that is made once, and kept in a file that only this user may read."""
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
        """Opens a directory that is ours, empty or absent; anything else is refused with what to do about it."""
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
        """A private directory that is gone afterwards, even if we are killed."""
        path = Path(tempfile.mkdtemp(prefix="missionops-data-"))
        try:
            async with cls.open(path) as directory:
                yield cls(directory.path, directory.lock, (directory.path,))
        finally:
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)


def _admit(path: Path) -> Path:
    """The absolute path of a directory that is ours, empty or new; changes nothing in any other."""
    path = path.absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        present = {entry.name for entry in path.iterdir()}
    except (FileExistsError, NotADirectoryError):
        raise errors.SetupError(f"{path} is not a directory: name another one.") from None
    except OSError as error:
        raise errors.SetupError(f"{path} cannot be opened ({error.strerror}): name another directory.") from None
    if MARKER in present:
        # As root we could open another user's directory, and would leave files in it that this user cannot open.
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
    """The open file whose lock makes the directory ours; waits for the servers of a process that is gone."""
    descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = asyncio.get_running_loop().time() + RELEASE_SECONDS
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = os.pread(descriptor, 32, 0).decode().strip()
            if _is_alive(holder):
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


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False  # Not written yet, or gone.
    except PermissionError:
        return True
    return True


def _mark(path: Path) -> None:
    """Write the marker, or check the one that is there."""
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
