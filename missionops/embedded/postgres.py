"""A real PostgreSQL on a Unix socket that only its own user and this one can reach; for a reader also on a TCP port."""

import asyncio
import fcntl
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, NamedTuple
from urllib.parse import quote

import asyncpg

from missionops import errors
from missionops.embedded.os_user import OsUser
from missionops.embedded.postgres_binaries import PostgresBinaries
from missionops.embedded.process import Process
from missionops.embedded.server import Server

MAJOR = 18
PORT = 5432  # It is part of the name of the socket, even if nothing listens on TCP.
SUPERUSER = "postgres"
SOCKET_DIRECTORY_MAX = 70  # A socket's whole path is limited to about 100 bytes.
LOOPBACK = "127.0.0.1"
RELEASE_SECONDS = 10.0
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
# The data survive the crash of a process, but not of the machine; with synchronous_commit off they survive neither.
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


class TcpReader(NamedTuple):
    """The only user that may connect over TCP: from this machine, to one database."""

    user: str
    database: str
    port: int


class PostgresServer(Server):
    """PostgreSQL with its data in `data`, created at the first start; `dsn` stays the same after a restart.

    `durable=False` is for tests: it is faster, and a crash of the machine destroys the data. With a `reader` the server
    also listens on the loopback interface, for that user alone. `socket_link` becomes a link to the directory of the
    socket, so that its address is the same after each start.
    """

    name: ClassVar[str] = "PostgreSQL"
    product: ClassVar[str] = "PostgreSQL"
    port_in_use: ClassVar[str] = "could not bind"

    def __init__(
        self,
        data: Path,
        *,
        durable: bool = True,
        settings: Mapping[str, str] = NO_SETTINGS,
        reader: TcpReader | None = None,
        socket_link: Path | None = None,
        pass_fds: Sequence[int] = (),
        remove: Sequence[Path] = (),
    ) -> None:
        super().__init__(data, port=reader.port if reader else None, pass_fds=pass_fds, remove=remove)
        self._durable = durable
        self._settings = settings
        self._reader = reader
        self._socket_link = socket_link
        self._sockets: Path | None = None
        self._program: PostgresBinaries | None = None

    def dsn(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        """The address of a database, for asyncpg as for psql, once it is started."""
        if not self._sockets:
            raise RuntimeError(f"{self.name} was not started")
        # The port is part of it because clients would take it from PGPORT otherwise.
        return f"postgresql://{user}@/{quote(database)}?host={quote(str(self._sockets))}&port={self.port or PORT}"

    def lasting_dsn(self, database: str) -> str | None:
        """The address of a database through the link; None without one, or if its path is too long for a socket."""
        if not self._socket_link or len(str(self._socket_link)) > SOCKET_DIRECTORY_MAX:
            return None
        return self.dsn(database).replace(quote(str(self._sockets)), quote(str(self._socket_link)))

    async def start(self) -> None:
        """Returns when it accepts connections, after recovery from a crash if there was one."""
        # Not in a thread, which would continue after a cancellation and create again what `stop` has removed.
        self.directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        account = OsUser.unprivileged(self.directory)
        self._program = self._program or PostgresBinaries.find(account)
        if not self._sockets:
            usual = tempfile.gettempdir()
            is_usable = len(usual) <= SOCKET_DIRECTORY_MAX and os.geteuid() != 0
            self._sockets = Path(tempfile.mkdtemp(prefix="missionops-", dir=usual if is_usable else "/tmp"))  # noqa: S108 - short and open to all
        # Created again under the same name, because it still holds the socket of a killed server.
        _make_private(self._sockets, account)
        if self._socket_link:
            self._socket_link.unlink(missing_ok=True)
            self._socket_link.symlink_to(self._sockets)
        if not (self.directory / "PG_VERSION").exists():
            await self._initialise(account)
        lock = await self._lock()
        # Everyone is trusted on the socket, which only this user can reach; on TCP the reader needs a password.
        rules = ["local all all trust"]
        if self._reader:
            rules.append(f"host {self._reader.database} {self._reader.user} {LOOPBACK}/32 scram-sha-256")
        (self.directory / "pg_hba.conf").write_text("\n".join(rules) + "\n")
        settings = {
            "listen_addresses": LOOPBACK if self._reader else "",
            "port": str(self.port or PORT),
            "unix_socket_directories": str(self._sockets),
            **({} if self._durable else NOT_DURABLE),
            **self._settings,
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        try:
            _remove_stale_pid_file(self.directory)
            self.process = self._launch("postgres", options, self.directory, account, pass_fds=(lock,))
        finally:
            os.close(lock)  # The server's own copy of the descriptor keeps the lock.
        await self._until(self._accepts)

    async def stop(self) -> None:
        """Shuts it down, and removes what it needed outside its data."""
        await super().stop()
        if self._socket_link:
            self._socket_link.unlink(missing_ok=True)
        if self._sockets:
            await asyncio.to_thread(shutil.rmtree, self._sockets, ignore_errors=True)
        if self._program:
            program, self._program = self._program, None
            await asyncio.to_thread(program.remove)

    async def create_database(self, name: str) -> None:
        """Creates the database unless it exists."""
        connection = await asyncpg.connect(self.dsn())
        try:
            if not await connection.fetchval("select true from pg_database where datname = $1", name):
                await connection.execute(f'create database "{name}"')
        finally:
            await connection.close()

    async def _initialise(self, account: OsUser | None) -> None:
        """Create the database cluster."""
        # It is created beside its place and moved there when complete: half a cluster would look like a whole one.
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
            descriptor = os.open(self.directory.parent, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _launch(
        self, program: str, options: Sequence[str], data: Path, account: OsUser | None, pass_fds: Sequence[int] = ()
    ) -> Process:
        assert self._program  # noqa: S101 - prepared before
        assert self._sockets  # noqa: S101 - prepared before
        # Another user may not be allowed to enter the data by name (below /root, say), but the process starts inside
        # them, and this link leads there.
        name = "/proc/self/cwd" if account and sys.platform == "linux" else str(data)
        return Process(
            [self._program.path(program), "-D", name, *options],
            self.log,
            cwd=data,
            account=account,
            pass_fds=(*self._pass_fds, *pass_fds),
            remove=(*self._remove, self._sockets, *self._program.copies),
        )

    async def _lock(self) -> int:
        """Locks the data for the server and its child processes, which may still write after the server was killed."""
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
            return False  # It does not listen yet, or it recovers from a crash.
        await connection.close()
        return True


def free_port() -> int:
    """A TCP port on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


def _make_private(directory: Path, account: OsUser | None) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)
    if account:
        os.chown(directory, *account)


def _remove_stale_pid_file(data: Path) -> None:
    """Remove the pid file of a killed server: PostgreSQL does not start if another process has its number by now."""
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
