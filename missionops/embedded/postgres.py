"""A real PostgreSQL on a Unix socket that only its own user and we can reach."""

import asyncio
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar
from urllib.parse import quote

import asyncpg

from missionops import errors
from missionops.embedded.os_user import OsUser
from missionops.embedded.postgres_binaries import PostgresBinaries
from missionops.embedded.process import Process
from missionops.embedded.server import Server

MAJOR = 18
PORT = 5432  # Names the socket's file; nothing listens on TCP.
SUPERUSER = "postgres"
SOCKET_DIRECTORY_MAX = 70  # A socket's whole path is limited to about 100 bytes.
RELEASE_SECONDS = 10.0
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
# Safe against the crash of a process still, and not of the machine; without synchronous_commit it would be neither.
CARELESS = {"fsync": "off", "full_page_writes": "off"}


class PostgresServer(Server):
    """PostgreSQL with its cluster in `data`, made at the first start; reached through `dsn`, which outlives restarts.

    Not `durable` is for tests: faster, and a crash of the machine spoils the data.
    """

    name: ClassVar[str] = "PostgreSQL"

    def __init__(
        self,
        data: Path,
        *,
        durable: bool = True,
        settings: Mapping[str, str] = NO_SETTINGS,
        pass_fds: Sequence[int] = (),
        remove: Sequence[Path] = (),
    ) -> None:
        super().__init__(data, pass_fds=pass_fds, remove=remove)
        self._durable = durable
        self._settings = settings
        self._sockets: Path | None = None
        self._program: PostgresBinaries | None = None

    def dsn(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        """The address of a database, for asyncpg as for psql, once it is started."""
        if not self._sockets:
            raise RuntimeError(f"{self.name} was not started")
        # The port is named because PGPORT would fill the gap.
        return f"postgresql://{user}@/{quote(database)}?host={quote(str(self._sockets))}&port={PORT}"

    async def start(self) -> None:
        """Returns when it accepts connections, after recovery from a crash if there was one."""
        account = self._prepare()  # Not in a thread: cancelled, that would go on making what `stop` has removed.
        if not (self.directory / "PG_VERSION").exists():
            await self._initialise(account)
        lock = await self._lock()
        try:
            _forget_dead_postmaster(self.directory)
            self.process = self._launch("postgres", self._options(), self.directory, account, pass_fds=(lock,))
        finally:
            os.close(lock)  # The server's copy holds it from here on.
        await self._until(self._accepts)

    async def stop(self) -> None:
        """Ends it in order, and removes what it needed outside its data."""
        await super().stop()
        await asyncio.to_thread(self._tidy)

    async def create_database(self, name: str) -> None:
        """Makes the database unless it exists."""
        connection = await asyncpg.connect(self.dsn())
        try:
            if not await connection.fetchval("select true from pg_database where datname = $1", name):
                await connection.execute(f'create database "{name}"')
        finally:
            await connection.close()

    def _prepare(self) -> OsUser | None:
        self.directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        account = OsUser.unprivileged(self.directory)
        self._program = self._program or PostgresBinaries.find(account)
        self._sockets = self._sockets or Path(tempfile.mkdtemp(prefix="missionops-", dir=_temporary()))
        # Made afresh under its old name: a killed server's socket is still in it.
        _make_private(self._sockets, account)
        return account

    def _tidy(self) -> None:
        if self._sockets:
            shutil.rmtree(self._sockets, ignore_errors=True)
        if self._program:
            self._program.remove()
            self._program = None

    async def _initialise(self, account: OsUser | None) -> None:
        # Beside its place, and moved there when complete: a half-made cluster would look like a whole one.
        fresh = self.directory.with_name(f".{self.directory.name}.new")
        _make_private(fresh, account)
        options = ["--auth=trust", f"--username={SUPERUSER}", "--no-instructions", "--encoding=UTF8", "--no-locale"]
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        options += [] if self._durable else ["--no-sync"]
        self.process = self._launch("initdb", options, fresh, account)
        if await self.process.wait() != 0:
            raise self._refusal(self.process)
        fresh.rename(self.directory)
        if self._durable:
            _sync(self.directory.parent)

    def _options(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": str(self._sockets),
            **({} if self._durable else CARELESS),
            **self._settings,
        }
        return [f"--{name}={value}" for name, value in settings.items()]

    def _launch(
        self, program: str, options: Sequence[str], data: Path, account: OsUser | None, pass_fds: Sequence[int] = ()
    ) -> Process:
        assert self._program  # noqa: S101 - prepared before
        assert self._sockets  # noqa: S101 - prepared before
        return Process(
            [self._program.path(program), "-D", _name_for(data, account), *options],
            self.log,
            cwd=data,
            account=account,
            pass_fds=(*self._pass_fds, *pass_fds),
            remove=(*self._remove, self._sockets, *self._program.copies),
        )

    async def _lock(self) -> int:
        """Locks the data for the server and every process of it: a killed one's last child may still be writing."""
        descriptor = os.open(self.directory, os.O_RDONLY)
        deadline = asyncio.get_running_loop().time() + RELEASE_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if asyncio.get_running_loop().time() > deadline:
                    os.close(descriptor)
                    raise errors.SetupError(
                        f"{self.directory} is in use by another PostgreSQL: stop it first."
                    ) from None
                await asyncio.sleep(0.02)
            else:
                return descriptor

    async def _accepts(self) -> bool:
        try:
            connection = await asyncpg.connect(self.dsn())
        except (OSError, asyncpg.CannotConnectNowError):
            return False  # It is not listening yet, or recovering.
        await connection.close()
        return True


def _name_for(data: Path, account: OsUser | None) -> str:
    # Another user may not be able to walk to the data by name (below /root, say), but starts inside them; this link
    # leads there without a walk.
    return "/proc/self/cwd" if account and sys.platform == "linux" else str(data)


def _temporary() -> str:
    usual = tempfile.gettempdir()
    return usual if len(usual) <= SOCKET_DIRECTORY_MAX and os.geteuid() != 0 else "/tmp"  # noqa: S108 - short and open to all


def _make_private(directory: Path, account: OsUser | None) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)
    if account:
        os.chown(directory, *account)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _forget_dead_postmaster(data: Path) -> None:
    """Lets a start succeed although the process id of a killed server belongs to somebody else by now."""
    file = data / "postmaster.pid"
    if not file.exists() or not Path("/proc/self").exists():
        return
    pid = file.read_text().partition("\n")[0]
    try:
        alive = Path(f"/proc/{pid}/cwd").samefile(data)
    except OSError:
        alive = False
    if not alive:
        file.unlink()
