"""What `missionops up` and `demo` run: embedded servers and the service on them."""

import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

from missionops import app, settings
from missionops.app import Service
from missionops.embedded import access, servers
from missionops.embedded.directory import DataDirectory
from missionops.embedded.servers import Servers
from missionops.errors import SetupError
from missionops.store import checkpoint, database, migrate

_STREAM_BYTES = {"telemetry_max_bytes": 1 << 30, "outgoing_max_bytes": 256 << 20}


class LocalService(NamedTuple):
    """The running servers and the service."""

    servers: Servers
    service: Service

    async def failed(self) -> str:
        """Wait until a server or the service cannot go on, and return why, in one sentence."""
        return await servers.first_of(self.servers.died(), self.service.failed())

    @property
    def addresses(self) -> dict[str, str]:
        """The addresses of the servers and of HTTP; `reader` is among them if PostgreSQL also listens on TCP."""
        addresses = {
            "nats": self.servers.nats_url,
            "http": self.service.http_url,
            "database": self.servers.database_url,
        }
        if self.servers.reader_database_url:
            addresses["reader"] = self.servers.reader_database_url
        return addresses


@asynccontextmanager
async def running(
    directory: Path | None,
    nats_port: int = 0,
    http_port: int = 0,
    postgres_port: int | None = None,
    report: Callable[[migrate.Progress], None] = migrate.ignore,
) -> AsyncIterator[LocalService]:
    """Run servers and service for the time of a block, with data in `directory`, or in a temporary one.

    `report` is called while migrations rewrite rows.
    """
    async with AsyncExitStack() as exits:
        opened = DataDirectory.open(directory) if directory else DataDirectory.ephemeral()
        started = await exits.enter_async_context(
            servers.running(
                await exits.enter_async_context(opened),
                nats_port=nats_port,
                postgres_port=postgres_port,
                durable=directory is not None,  # what a machine's crash would destroy is deleted at the end anyway
            )
        )
        await migrate.apply(started.migrator_database_url, report=report)
        async with database.connected(started.database_url) as connection:
            # The owners of the partitions ended with the servers, so nobody has to wait for their leases to expire.
            await checkpoint.release_all(connection)
        # The settings of the environment, but with HTTP on this machine alone and streams that fit on a small disk.
        nats = {"nats_url": started.nats_url, "nats_user": access.SERVICE, "nats_password": started.service_password}
        given = settings.read(
            **settings.ANYBODY | nats,
            database_url=started.service_database_url,
            http_host="127.0.0.1",
            http_port=http_port,
        )
        smaller = {name: size for name, size in _STREAM_BYTES.items() if name not in given.model_fields_set}
        service = await exits.enter_async_context(app.running(given.model_copy(update=smaller)))
        await service.until_ready()
        yield LocalService(started, service)


@contextmanager
def ready_file(path: Path | None, addresses: dict[str, str]) -> Iterator[None]:
    """Keep a file with the addresses during the block; it is renamed into place, so that no reader sees half of it."""
    if path is None:
        yield
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(addresses) + "\n")
        temporary.replace(path)
    except OSError as error:
        raise SetupError(f"The ready file {path} cannot be written ({error.strerror}): name another one.") from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
