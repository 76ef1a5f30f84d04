"""`missionops seed-demo-data`, `seed-demo-docs` and `simulate`: four simulated missions."""

from collections.abc import Iterable
from typing import Annotated

import msgspec
import typer

from missionops.cli.client import loop
from missionops.cli.commands import options
from missionops.cli.commands.show import show
from missionops.cli.output import tables, terminal
from missionops.cli.simulate import documents, live
from missionops.cli.simulate import seed as history
from missionops.simulator import fleet

_TEN_YEARS = 5_256_000


def _list_faults(wanted: bool) -> None:  # noqa: FBT001 - Typer's callback
    if not wanted:
        return
    rows = [
        (profile.spacecraft_id, fault.name, fault.symptom) for profile in fleet.PROFILES for fault in profile.faults
    ]
    tables.plain(("profile", "fault", "symptom"), rows)
    raise typer.Exit


def _completed(begun: str, names: Iterable[str]) -> list[str]:
    return sorted({name for name in names if name.lower().startswith(begun.lower())})


_Minutes = Annotated[int, typer.Argument(metavar="MINUTES", min=1, max=_TEN_YEARS, help="The length of the history.")]
_Interval = Annotated[
    int, typer.Argument(metavar="INTERVAL_SECONDS", min=1, max=86_400, help="Seconds from one snapshot to the next.")
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Send nothing; with --json print the snapshots, one a line.")]
_Seed = Annotated[int, typer.Option("--seed", metavar="N", help="The same seed and times give the same values.")]
_End = Annotated[
    str | None, typer.Option("--end", metavar="TIME", help="Time of the last snapshot, RFC 3339; now if not given.")
]
_Fault = Annotated[
    list[str] | None,
    typer.Option(
        "--fault",
        metavar="NAME[@t+SECONDS]",
        autocompletion=lambda incomplete: _completed(
            incomplete, (fault.name for profile in fleet.PROFILES for fault in profile.faults)
        ),
        help="A fault that begins so many seconds after the start; repeat it for more. PROFILE/NAME: in that mission.",
    ),
]
_ListFaults = Annotated[
    bool, typer.Option("--list-faults", callback=_list_faults, is_eager=True, help="Show all faults, and exit.")
]
_Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace documents that were changed since then.")]
_Profiles = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PROFILE",
        autocompletion=lambda incomplete: _completed(incomplete, (profile.spacecraft_id for profile in fleet.PROFILES)),
        help="Sat-Imager-001, GNSS-Nav-Alpha, GEO-Comms-01, Cube-001; all four if none is given.",
    ),
]
_Rate = Annotated[
    float, typer.Option("--rate", min=0.001, max=10_000, metavar="N", help="Snapshots a second, of each spacecraft.")
]
_Count = Annotated[
    int | None, typer.Option("--count", "-n", min=1, metavar="N", help="Stop after N snapshots of each spacecraft.")
]


def seed_demo_data(
    minutes: _Minutes = 120,
    interval_seconds: _Interval = 60,
    *,
    dry_run: _DryRun = False,
    seed: _Seed = 1,
    end: _End = None,
    faults: _Fault = None,
    _list_faults: _ListFaults = False,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Publish the past of four simulated missions: spacecraft, limits and telemetry.

    A history that ends now, or at --end; sent twice with the same --end and --seed, it is stored once.

      missionops seed-demo-data

      missionops seed-demo-data 1440 10 --seed 7 --end 2025-01-01T00:00:00Z --fault battery-cell-short@t+3600

      missionops seed-demo-data --dry-run --json | gzip > demo.ndjson.gz
    """
    planned = history.plan(minutes, interval_seconds, end, seed, faults or ())
    if not dry_run:
        raise typer.Exit(0 if loop.run(history.publish(planned, service, as_json=as_json)) else 1)
    if as_json:
        history.show(planned)
    else:
        history.preview(planned)


def seed_demo_docs(
    *,
    overwrite: _Overwrite = False,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Publish the documents of the four simulated missions.

    missionops seed-demo-docs --overwrite
    """
    published = loop.run(documents.publish(service, overwrite=overwrite))
    rows = [(one.document_id, one.title, "kept as it was" if one.is_kept else "published") for one in published]
    reply = msgspec.json.encode([{"documentId": one.document_id, "kept": one.is_kept} for one in published])
    show(reply, as_json, lambda _: tables.plain(("document", "title", ""), rows))
    if not as_json and any(one.is_kept for one in published):
        terminal.note("Some had been changed and were kept: --overwrite replaces them.")


def simulate(
    profiles: _Profiles = None,
    *,
    rate: _Rate = 1,
    seed: _Seed = 1,
    faults: _Fault = None,
    _list_faults: _ListFaults = False,
    count: _Count = None,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Simulate missions live, until Ctrl-C.

    Each mission is registered, and its limits are put in force unless it has some.

      missionops simulate

      missionops simulate Sat-Imager-001 Cube-001 --rate 5 --fault Cube-001/beacon-loss@t+30
    """
    chosen = fleet.find(profiles or ())
    injections = fleet.inject(faults or (), chosen)
    loop.run_until_stopped(live.simulate(live.Simulation(chosen, rate, seed, injections, count), service))
