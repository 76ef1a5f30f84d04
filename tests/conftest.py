"""Real servers for the tests: from the embedded binaries, from containers, or named by the environment."""

import gc
import os
import re
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import asyncpg
import httpx
import hypothesis
import nats
import pytest
from nats.aio.client import Client

from missionops import app
from missionops.app import Service
from missionops.broker import client as nats_client
from missionops.domain.access import Role
from missionops.embedded import access
from missionops.embedded.nats import NatsServer
from missionops.embedded.postgres import PostgresServer
from missionops.operations import tokens
from missionops.settings import Settings, read
from missionops.store import database as databases
from missionops.store import migrate
from tests.data_directories import PARENT

TEMPLATE = "missionops_template"
# To copy the files takes a third of the time that it takes to log each of their pages, which nobody replays here.
CLONE = f"TEMPLATE {TEMPLATE} STRATEGY FILE_COPY"
PASSWORD = "secret"  # noqa: S105 - of every role of PostgreSQL and every user of NATS


# Each worker would compile all tests anew, and each command that a test starts all of its modules: half of its time.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


# A time limit for each example would be an assertion about the machine.
hypothesis.settings.register_profile("missionops", deadline=None)
hypothesis.settings.load_profile("missionops")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--services",
        choices=("embedded", "containers", "external"),
        default="embedded",
        help="Where NATS and PostgreSQL come from; external: TEST_NATS_URL and TEST_DATABASE_URL (a superuser's).",
    )


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep all that is imported and collected out of the garbage collector's sight, then and later.

    Each takeover ends with a collection, which takes a quarter of a second with these half a million objects.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _scrubbed_environment() -> Iterator[None]:
    """No setting of the person who runs the tests reaches the product."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("MISSIONOPS_"):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def services(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--services"))


@pytest.fixture(scope="session")
async def postgres_dsn(services: str) -> AsyncIterator[str]:
    """A PostgreSQL server, as its superuser, for the whole run."""
    async with AsyncExitStack() as stack:
        yield await _postgres(services, stack)


async def _postgres(services: str, stack: AsyncExitStack) -> str:
    if services == "external":
        return os.environ["TEST_DATABASE_URL"]
    if services == "containers":
        from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415 - needs an engine

        container = stack.enter_context(PostgresContainer("postgres:18", driver=None))
        return str(container.get_connection_url())
    place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="postgres-", dir=PARENT)))
    os.chmod(place, 0o755)  # noqa: PTH101, S103 - for the account that runs it
    server = PostgresServer(place / "data", durable=False, remove=[place])
    stack.push_async_callback(server.stop)
    await server.start()
    return server.dsn()


@pytest.fixture(scope="session")
async def template(postgres_dsn: str) -> str:
    """A database with every migration applied, to be cloned."""
    await _execute(postgres_dsn, f"DROP DATABASE IF EXISTS {TEMPLATE}")
    await _execute(postgres_dsn, f"CREATE DATABASE {TEMPLATE}")
    dsn = _in_database(postgres_dsn, TEMPLATE)
    await access.create_roles(dsn, dict.fromkeys(("app", "migrator", "reader"), PASSWORD))
    await migrate.apply(_as_role(dsn, access.MIGRATOR))
    return TEMPLATE


@pytest.fixture(scope="session")
def as_role() -> Callable[[str, str], str]:
    """The address of the same database for one of our roles."""
    return _as_role


def _as_role(dsn: str, role: str) -> str:
    return re.sub("//([^@/]*@)?", f"//{role}:{PASSWORD}@", dsn, count=1)


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database, the test's own if it does not share the service."""
    if _is_shared(request):
        return _shared(request).database_url
    url: str = request.getfixturevalue("cloned_database_url")
    return url


@pytest.fixture
async def cloned_database_url(postgres_dsn: str, template: str) -> AsyncIterator[str]:
    async with _database(postgres_dsn, CLONE) as dsn:
        yield dsn


@pytest.fixture(scope="module")
async def module_database_url(postgres_dsn: str, template: str) -> AsyncIterator[str]:
    """A migrated database for all tests of a module, which fill it once and only read it."""
    async with _database(postgres_dsn, CLONE) as dsn:
        yield dsn


@pytest.fixture
async def empty_database_url(postgres_dsn: str) -> AsyncIterator[str]:
    """A database of the test's own with nothing in it."""
    async with _database(postgres_dsn) as dsn:
        yield dsn


@asynccontextmanager
async def _database(postgres_dsn: str, options: str = "") -> AsyncIterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    await _execute(postgres_dsn, f"CREATE DATABASE {name} {options}")
    try:
        yield _in_database(postgres_dsn, name)
    finally:
        await _execute(postgres_dsn, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(dsn: str, sql: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


def _in_database(dsn: str, name: str) -> str:
    before, _, query = dsn.partition("?")
    return f"{before.rpartition('/')[0]}/{name}{f'?{query}' if query else ''}"


@pytest.fixture
async def nats_server(services: str, tmp_path: Path) -> AsyncIterator[NatsServer]:
    """A nats-server of the test's own, that it may stop, kill and start again."""
    if services != "embedded":
        pytest.skip("needs a server of its own to kill")
    server = NatsServer(tmp_path / "nats", users=access.nats_users(PASSWORD))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest.fixture
def nats_url(request: pytest.FixtureRequest) -> str:
    """A NATS server without streams: the test's own where it asks for `nats_server`, else the one of the whole run."""
    if _is_shared(request):
        return _shared(request).nats_url
    if "nats_server" in request.fixturenames:
        server: NatsServer = request.getfixturevalue("nats_server")
        return server.url
    url: str = request.getfixturevalue("cleared_nats_url")
    return url


@pytest.fixture
async def cleared_nats_url(shared_nats_url: str) -> str:
    await clear_streams(shared_nats_url)
    return shared_nats_url


async def clear_streams(nats_url: str) -> None:
    client = await nats.connect(nats_url)
    for stream in await client.jsm().streams_info():
        await client.jsm().delete_stream(stream.config.name or "")
    await client.close()


@pytest.fixture(scope="session")
async def shared_nats_url(services: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A NATS server for the whole run: to remove a test's streams is faster than to start a server for each test."""
    async with AsyncExitStack() as stack:
        yield await _nats(services, tmp_path_factory.mktemp("nats"), stack)


async def _nats(services: str, directory: Path, stack: AsyncExitStack) -> str:
    if services == "external":
        return os.environ["TEST_NATS_URL"]
    if services == "containers":
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - needs an engine
        from testcontainers.core.wait_strategies import LogMessageWaitStrategy  # noqa: PLC0415

        container = DockerContainer("nats:2.15").with_command("-js").with_exposed_ports(4222)
        stack.enter_context(container.waiting_for(LogMessageWaitStrategy("Server is ready")))
        return f"nats://{container.get_container_host_ip()}:{container.get_exposed_port(4222)}"
    server = NatsServer(directory, users=access.nats_users(PASSWORD))
    stack.push_async_callback(server.stop)
    await server.start()
    return server.url


@pytest.fixture
def settings(services: str, nats_url: str, database_url: str) -> Settings:
    """The service may do what it may in production: the role mission_app of PostgreSQL, its own user of NATS."""
    return _settings(services, nats_url, database_url)


def _settings(services: str, nats_url: str, database_url: str) -> Settings:
    user = {"nats_user": access.SERVICE, "nats_password": PASSWORD} if services == "embedded" else {}
    return read(nats_url=nats_url, **user, database_url=_as_role(database_url, access.APP), http_port=0, lease=1)


@pytest.fixture
def service(request: pytest.FixtureRequest) -> Service:
    """The service, ready, in this process: the test's own, or with `@pytest.mark.shared_service` that of the run."""
    if _is_shared(request):
        return _shared(request).service
    own: Service = request.getfixturevalue("own_service")
    return own


@pytest.fixture
async def own_service(settings: Settings) -> AsyncIterator[Service]:
    async with app.running(settings) as running:
        await running.until_ready()
        yield running


class Shared(NamedTuple):
    """A service and its servers, for tests that do not mind what others leave behind: to start it takes a second."""

    service: Service
    nats_url: str
    database_url: str


async def _sharing(
    services: str, postgres_dsn: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shared]:
    async with AsyncExitStack() as stack:
        nats_url = await _nats(services, tmp_path_factory.mktemp("nats"), stack)
        database_url = await stack.enter_async_context(_database(postgres_dsn, CLONE))
        running = await stack.enter_async_context(app.running(_settings(services, nats_url, database_url)))
        await running.until_ready()
        yield Shared(running, nats_url, database_url)


shared = pytest.fixture(_sharing, scope="session", name="shared")
shared_in_module = pytest.fixture(_sharing, scope="module", name="shared_in_module")


def _is_shared(request: pytest.FixtureRequest) -> bool:
    # An external server has one set of streams, which other tests remove.
    is_marked = request.node.get_closest_marker("shared_service") is not None
    return is_marked and request.config.getoption("--services") != "external"


def _shared(request: pytest.FixtureRequest) -> Shared:
    marker = request.node.get_closest_marker("shared_service")
    name = "shared_in_module" if marker and marker.kwargs.get("scope") == "module" else "shared"
    found: Shared = request.getfixturevalue(name)
    return found


@pytest.fixture
async def client(nats_url: str) -> AsyncIterator[Client]:
    """A plain NATS client."""
    connection = await nats.connect(nats_url)
    nats_client.guard(connection)
    yield connection
    await connection.close()


@pytest.fixture
async def database(database_url: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """A plain PostgreSQL connection."""
    connection = await asyncpg.connect(database_url, server_settings={"timezone": "UTC"})
    yield connection
    await connection.close()


Issue = Callable[..., Awaitable[str]]


@pytest.fixture
def issue(database_url: str) -> Issue:
    """Makes a token for HTTP."""

    async def issue(name: str, role: Role, *spacecraft: str, expires_at: datetime | None = None) -> str:
        async with databases.connected(database_url) as connection, connection.transaction():
            return str((await tokens.issue(connection, name, role, spacecraft or None, expires_at)).token)

    return issue


@pytest.fixture
def revoke(database_url: str) -> Callable[[str], Awaitable[bool]]:
    """Revokes a token."""

    async def revoke(name: str) -> bool:
        async with databases.connected(database_url) as connection, connection.transaction():
            return await tokens.revoke(connection, name)

    return revoke


class Clients:
    """HTTP with one token or another."""

    def __init__(self, url: str, issue: Issue) -> None:
        self._url = url
        self._issue = issue
        self.opened: list[httpx.AsyncClient] = []

    async def holding(self, role: Role, *spacecraft: str) -> httpx.AsyncClient:
        return self.showing(await self._issue(f"{role}-{len(self.opened)}", role, *spacecraft))

    def showing(self, token: str | None) -> httpx.AsyncClient:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.opened.append(httpx.AsyncClient(base_url=self._url, headers=headers, timeout=10))
        return self.opened[-1]


@pytest.fixture
async def clients(service: Service, issue: Issue) -> AsyncIterator[Clients]:
    """HTTP clients of the service, with tokens and without."""
    found = Clients(service.http_url, issue)
    yield found
    for client in found.opened:
        await client.aclose()
