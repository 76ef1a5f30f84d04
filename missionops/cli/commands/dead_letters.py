"""`missionops dead-letters`: telemetry that could not be stored, and another try."""

from collections import Counter
from typing import Annotated

import msgspec
import typer

from missionops import errors
from missionops.cli.client import dead_letters, loop, pagination, server
from missionops.cli.commands import options
from missionops.cli.output import tables, terminal

app = typer.Typer(
    name="dead-letters",
    cls=options.Group,
    add_completion=False,
    help="List, show and replay telemetry that could not be stored.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["--help", "-h"]},
)

_Limit = Annotated[int, typer.Option("--limit", "-l", min=1, metavar="N", help="At most so many, the newest first.")]
_Sequence = Annotated[int, typer.Argument(metavar="LETTER", min=1, help="Its number, as `dead-letters list` shows it.")]
_Sequences = Annotated[
    list[int] | None, typer.Argument(metavar="LETTER", min=1, help="Their numbers, as `dead-letters list` shows.")
]
_All = Annotated[bool, typer.Option("--all", help="All there are now; with --spacecraft-id all of one spacecraft.")]


@app.command("list", cls=options.Command)
def list_letters(
    spacecraft_id: options.SomeSpacecraft = None,
    *,
    limit: _Limit = options.DEFAULT_LIMIT,
    as_json: options.Json = False,
    server_url: server.Server = server.DEFAULT,
) -> None:
    """List dead letters with their reasons, the newest first.

    missionops dead-letters list --spacecraft-id SC-001
    """
    request = {"spacecraftId": spacecraft_id}
    found = loop.run(pagination.collect("missionops.deadletters.list", request, server_url, at_most=limit))
    if as_json:
        pagination.print_json(found)
    elif found.items:
        tables.letters(found.decoded())
    pagination.say_rest(found, "There are no dead letters.")


@app.command("show", cls=options.Command)
def show_letter(
    sequence: _Sequence, *, as_json: options.Json = False, server_url: server.Server = server.DEFAULT
) -> None:
    """Show one dead letter: its headers and its body.

    missionops dead-letters show 7
    """
    reply = loop.run(pagination.answer("missionops.deadletters.get", {"sequence": sequence}, server_url))
    if as_json:
        terminal.json(reply)
    else:
        tables.letter(msgspec.json.decode(reply))


@app.command("replay", cls=options.Command)
def replay_letters(
    sequences: _Sequences = None,
    *,
    everything: _All = False,
    spacecraft_id: options.SomeSpacecraftId = None,
    server_url: server.Server = server.DEFAULT,
) -> None:
    """Publish dead letters again, as new messages; each goes once the stream has it.

    For telemetry that was refused for a reason that no longer holds. What is refused again is a new letter.

      missionops dead-letters replay 7 9

      missionops dead-letters replay --all --spacecraft-id SC-001
    """
    if bool(sequences) == everything:
        raise typer.BadParameter("Give either the numbers of letters or --all.")
    if sequences and spacecraft_id:
        raise typer.BadParameter("--spacecraft-id goes with --all.")

    if sequences is None or everything:
        request = {"spacecraftId": spacecraft_id}
        found = loop.run(pagination.collect("missionops.deadletters.list", request, server_url))
        sequences = [letter["sequence"] for letter in reversed(found.decoded())]
    counts = Counter[bool]()

    def report(outcome: dead_letters.Outcome) -> None:
        counts[outcome.refusal is None] += 1
        if outcome.refusal:
            terminal.note(terminal.printable(f"Letter {outcome.sequence} cannot be replayed: {outcome.refusal}."))

    try:
        loop.run(dead_letters.replay(dict.fromkeys(sequences), report, server_url))
    except errors.MissionopsError:
        if counts[True]:
            terminal.note(f"{counts[True]:,} replayed before this.")
        raise
    refused = f", {counts[False]:,} refused" if counts[False] else ""
    terminal.result(f"{counts[True]:,} replayed{refused}")
    raise typer.Exit(1 if counts[False] else 0)
