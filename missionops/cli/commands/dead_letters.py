"""`missionops dead-letters`: telemetry that could not be stored, and its replay."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated

import msgspec
import typer

from missionops import errors
from missionops.cli.client import dead_letters, loop, nothing_found
from missionops.cli.client.service import Service
from missionops.cli.commands import options, parsing
from missionops.cli.commands.show import show, show_list
from missionops.cli.output import tables, terminal
from missionops.domain.dead_letter import UNKNOWN

app = typer.Typer(
    name="dead-letters",
    cls=parsing.Group,
    add_completion=False,
    help="List, show and replay telemetry that could not be stored.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["--help", "-h"]},
)

_LIST = "missionops.deadletters.list"

_Sequence = Annotated[int, typer.Argument(metavar="LETTER", min=1, help="Its number, as `dead-letters list` shows it.")]
_Sequences = Annotated[
    list[int] | None, typer.Argument(metavar="LETTER", min=1, help="Their numbers, as `dead-letters list` shows.")
]
_All = Annotated[bool, typer.Option("--all", help="All that are stored now; with --spacecraft-id of one spacecraft.")]


@app.command("list", cls=parsing.Command)
def list_letters(
    spacecraft_id: options.SomeSpacecraftOrUnknown = None,
    *,
    limit: options.Limit = options.DEFAULT_LIMIT,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """List dead letters with their reasons, newest first.

    missionops dead-letters list --spacecraft-id SC-001
    """
    found = service.list(_LIST, {"spacecraftId": spacecraft_id}, at_most=limit)
    whose = f" of {spacecraft_id}" if spacecraft_id else ""
    show_list(found, as_json, tables.letters, f"There are no dead letters{whose}.")
    if not found.items and spacecraft_id != UNKNOWN:
        nothing_found.explain(service, spacecraft_id)


@app.command("show", cls=parsing.Command)
def show_letter(
    sequence: _Sequence, *, as_json: options.Json = False, service: options.Server = options.DEFAULT_SERVER
) -> None:
    """Show one dead letter: its headers and its body.

    missionops dead-letters show 7
    """
    show(service.request("missionops.deadletters.get", {"sequence": sequence}), as_json, tables.letter)


@app.command("replay", cls=parsing.Command)
def replay_letters(
    sequences: _Sequences = None,
    *,
    everything: _All = False,
    spacecraft_id: options.SomeSpacecraftId = None,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Publish dead letters again as telemetry; each is deleted once the stream has it.

    For telemetry that was refused for a reason that no longer holds. What is refused again is a new letter.

      missionops dead-letters replay 7 9

      missionops dead-letters replay --all --spacecraft-id SC-001
    """
    if bool(sequences) == everything:
        raise typer.BadParameter("Give either the numbers of letters or --all.")
    if sequences and spacecraft_id:
        raise typer.BadParameter("--spacecraft-id goes with --all.")
    if not sequences:
        newest_first = service.list(_LIST, {"spacecraftId": spacecraft_id})
        sequences = [msgspec.json.decode(letter)["sequence"] for letter in reversed(newest_first.items)]
    counts = Counter[bool]()

    def report(outcome: dead_letters.Outcome) -> None:
        counts[outcome.refusal is None] += 1
        if outcome.refusal:
            terminal.note(terminal.printable(f"Letter {outcome.sequence} cannot be replayed: {outcome.refusal}."))

    async def replay(service: Service, sequences: Iterable[int]) -> None:
        async with service.connected() as client:
            await dead_letters.replay(client, sequences, report)

    try:
        loop.run(replay(service, dict.fromkeys(sequences)))
    except errors.MissionopsError:
        if counts[True]:
            terminal.note(f"{counts[True]:,} replayed before this.")
        raise
    refused = f", {counts[False]:,} refused" if counts[False] else ""
    terminal.result(f"{counts[True]:,} replayed{refused}")
    raise typer.Exit(1 if counts[False] else 0)
