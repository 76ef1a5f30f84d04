"""A real PostgreSQL on a Unix socket that only its own user and we can reach, and for readers on a TCP port."""

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
PORT = 5432  # Names the socket's file, also where nothing listens on TCP.
SUPERUSER = "postgres"
SOCKET_DIRECTORY_MAX = 70  # A socket's whole path is limited to about 100 bytes.
LOOPBACK = "127.0.0.1"
RELEASE_SECONDS = 10.0
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
# Safe against the crash of a process still, and not of the machine; without synchronous_commit it would be neither.
CARELESS = {"fsync": "off", "full_page_writes": "off"}


class TcpReader(NamedTuple):
    """The one user that may connect over TCP, from this machine and to one database."""

    user: str
    database: str
    port: int


class PostgresServer(Server):
    """PostgreSQL with its cluster in `data`, made at the first start; reached through `dsn`, which outlives restarts.

    Not `durable` is for tests: faster, and a crash of the machine spoils the data. With a `reader` it also listens on
    the loopback interface, for that user alone. `socket_link` becomes a link to the directory of the socket, so that
    its address is the same after each start.
    """

    name: ClassVar[str] = "PostgreSQL"

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
        super().__init__(data, pass_fds=pass_fds, remove=remove)
        self._durable = durable
        self._settings = settings
        self._reader = reader
        self._port = reader.port if reader else PORT
        self._socket_link = socket_link
        self._sockets: Path | None = None
        self._program: PostgresBinaries | None = None

    def dsn(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        """The address of a database, for asyncpg as for psql, once it is started."""
        if not self._sockets:
            raise RuntimeError(f"{self.name} was not started")
        # The port is named because PGPORT would fill the gap.
        return f"postgresql://{user}@/{quote(database)}?host={quote(str(self._sockets))}&port={self._port}"

    def lasting_dsn(self, database: str) -> str | None:
        """The address of a database through the link; None without one, or if its path is too long for a socket."""
        if not self._socket_link or len(str(self._socket_link)) > SOCKET_DIRECTORY_MAX:
            return None
        return self.dsn(database).replace(quote(str(self._sockets)), quote(str(self._socket_link)))

    async def start(self) -> None:
        """Returns when it accepts connections, after recovery from a crash if there was one."""
        account = self._prepare()  # Not in a thread: cancelled, that would go on making what `stop` has removed.
        if not (self.directory / "PG_VERSION").exists():
            await self._initialise(account)
        lock = await self._lock()
        self._write_access_rules()
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
        if self._socket_link:
            self._socket_link.unlink(missing_ok=True)
            self._socket_link.symlink_to(self._sockets)
        return account

    def _tidy(self) -> None:
        if self._socket_link:
            self._socket_link.unlink(missing_ok=True)
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
            "listen_addresses": LOOPBACK if self._reader else "",
            "port": str(self._port),
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

    def _write_access_rules(self) -> None:
        """Trust everyone on the socket, which only this user can reach; on TCP only the reader, with a password."""
        rules = ["local all all trust"]
        if self._reader:
            rules.append(f"host {self._reader.database} {self._reader.user} {LOOPBACK}/32 scram-sha-256")
        (self.directory / "pg_hba.conf").write_text("\n".join(rules) + "\n")

    def _refusal(self, process: Process) -> errors.SetupError:
        if self._reader and "could not bind" in process.log_tail():
            return errors.SetupError(
                f"Port {self._port} is in use: stop the program that listens there, or choose another port for "
                "PostgreSQL (0 takes a free one)."
            )
        return super()._refusal(process)

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


def free_port() -> int:
    """A TCP port on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


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
