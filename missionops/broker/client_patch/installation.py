"""The one place where a client of nats-py is patched: which parts, in which order, and for which version."""

import importlib.metadata

from nats.aio.client import Client

from missionops.broker.client_patch import read_loop, reply_subjects
from missionops.errors import SetupError

_SUPPORTED = "2.16"


def install(client: Client) -> None:
    """Patch a client that is not connected yet; SetupError if nats-py is a version that this was not written for."""
    version = importlib.metadata.version("nats-py")
    if version.split(".")[:2] != _SUPPORTED.split("."):
        raise SetupError(
            f"nats-py {version} is installed, and missionops replaces parts of nats-py {_SUPPORTED}: install "
            f"'nats-py=={_SUPPORTED}.*'."
        )
    read_loop.install(client)
    reply_subjects.install(client)  # after read_loop, whose way of building messages it builds on
