"""`missionops dead-letters`: telemetry that could not be stored, and another try."""

from typing import Annotated

import msgspec
import typer

from missionops import errors
from missionops.cli.client import dead_letters, loop, server
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
    found, more = loop.run(dead_letters.newest(spacecraft_id, limit, server_url))
    described = [letter.described() for letter in found]
    if as_json:
        terminal.json(msgspec.json.encode(described))
    elif found:
        tables.letters(described)
    if not found:
        terminal.note("There are no dead letters.")
    elif more:
        terminal.note(f"There are more than these {len(found):,}: --limit shows them.")


@app.command("show", cls=options.Command)
def show_letter(
    sequence: _Sequence, *, as_json: options.Json = False, server_url: server.Server = server.DEFAULT
) -> None:
    """Show one dead letter: its headers and its body.

    missionops dead-letters show 7
    """
    letter = loop.run(dead_letters.one(sequence, server_url))
    if as_json:
        terminal.json(msgspec.json.encode(letter.whole()))
        return
    terminal.result(f"Letter {letter.sequence} of {terminal.printable(letter.spacecraft_id)}, {letter.time}")
    for name, value in letter.shown_headers.items():
        terminal.result(terminal.printable(f"{name}: {value}"))
    terminal.result("")
    for line in letter.text().split("\n"):
        terminal.result(terminal.printable(line))


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

    counts = {True: 0, False: 0}

    def settle(replayed: dead_letters.Replayed) -> None:
        counts[replayed.refusal is None] += 1
        if replayed.refusal:
            terminal.note(f"Letter {replayed.letter.sequence} cannot be replayed: {replayed.refusal}.")

    try:
        loop.run(dead_letters.replay(sequences or [], spacecraft_id, settle, server_url))
    except errors.MissionopsError:
        if counts[True]:
            terminal.note(f"{counts[True]:,} replayed before this.")
        raise
    refused = f", {counts[False]:,} refused" if counts[False] else ""
    terminal.result(f"{counts[True]:,} replayed{refused}")
    raise typer.Exit(1 if counts[False] else 0)
