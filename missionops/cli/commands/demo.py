"""`missionops demo`: the whole service on ESA's own telemetry, with one command."""

import typer

from missionops.cli.client import loop
from missionops.cli.demo import run


def demo() -> None:
    """See it all work on ESA's own telemetry, in a minute.

    Starts its own servers, replays half a year of the satellite OPS-SAT-1, and compares the anomalies that the service
    finds with the mission's own fault log. Then a log that was kept on board arrives late, and changes alarms. Leaves
    nothing behind; `missionops up --demo` does the same and stays up.

      missionops demo
    """
    is_exact = loop.run(run.run())
    raise typer.Exit(0 if is_exact else 1)
