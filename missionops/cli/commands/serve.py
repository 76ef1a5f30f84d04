"""`missionops serve`: the service against servers that are there."""

import re

from missionops import app, errors, logs, settings
from missionops.cli.client import loop
from missionops.cli.output import terminal


def serve() -> None:
    """Run the service against the NATS and the PostgreSQL that settings name.

    Settings are environment variables (MISSIONOPS_NATS_URL, MISSIONOPS_DATABASE_URL, ...); docs/running.md lists them.

    Example:
      MISSIONOPS_NATS_URL=nats://nats:4222 MISSIONOPS_DATABASE_URL=postgresql://app@db/missionops missionops serve
    """
    given = settings.read()
    logs.configure(given)

    async def stay_up() -> None:
        async with app.running(given) as service:
            await service.until_ready()
            nats = re.sub("//[^@/,]*@", "//", given.nats_url)  # without a password
            terminal.note(f"missionops serves {nats}, HTTP on {service.http_url}. Ctrl-C stops it.")
            raise errors.SetupError(await service.failed())

    loop.run_until_stopped(stay_up())
