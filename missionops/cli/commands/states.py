"""`missionops states`."""

from typing import Annotated, Any

import msgspec
import typer

from missionops.cli.client import nothing_found, range_pages
from missionops.cli.commands import options, times
from missionops.cli.output import tables, terminal

_Parameters = Annotated[list[str], typer.Argument(metavar="PARAMETER", help="The names of the parameters, at most 20.")]


def show_states(
    spacecraft_id: options.Spacecraft,
    parameters: _Parameters,
    *,
    start: options.From = None,
    end: options.To = None,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Show when which text or boolean was reported.

    Of the last day, unless --from and --to say otherwise.

      missionops states SC-001 mode heater --from -7d
    """
    request = {
        "parameters": list(parameters),
        "from": start or times.start("-1d"),
        "to": end or times.end("now"),
    }
    subject = f"missionops.telemetry.states.{spacecraft_id}"
    found = range_pages.whole(service, subject, request, range_pages.add_states)
    spans = [
        (
            one["parameter"],
            _time(span["from"]),
            _time(span["to"]),
            tables.value_text(span["value"]),
            f"{span['count']:,}",
        )
        for one in found["states"]
        for span in one["spans"]
    ]
    if as_json:
        terminal.json(msgspec.json.encode(found))
    elif spans:
        tables.plain(("parameter", "from (UTC)", "to (UTC)", "value", "samples"), spans, right=("samples",))
    else:
        terminal.note(f"No texts and no booleans of {spacecraft_id} are stored for that.")
        nothing_found.explain(service, spacecraft_id)


def _time(text: Any) -> str:
    return str(text).replace("T", " ").removesuffix("Z")
