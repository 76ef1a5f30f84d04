"""`missionops get-config`, `set-config`, `check-config` and `list-configs`: a spacecraft's limits."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from missionops import errors
from missionops.cli.client import configs
from missionops.cli.commands import options, preview, times
from missionops.cli.commands.show import show, show_list
from missionops.cli.output import preview as previews
from missionops.cli.output import tables
from missionops.domain import config_document

_File = Annotated[
    Path | None, typer.Option("--file", "-f", metavar="PATH", help="The config as a JSON object; - is standard input.")
]
_Version = Annotated[
    int | None, typer.Option("--version", min=1, metavar="N", help="This version; the one in force if not given.")
]
_OldVersion = Annotated[
    int | None,
    typer.Option(
        "--version",
        min=1,
        metavar="N",
        help="Put an earlier version in force again, in place of --file; list-configs shows them.",
    ),
]
_IfVersion = Annotated[
    int | None,
    typer.Option(
        "--if-version",
        min=0,
        metavar="N",
        help="Do so only if version N is in force now; 0: only if there is no config yet.",
    ),
]
_Reason = Annotated[
    str | None, typer.Option("--reason", metavar="TEXT", help="Why, kept with the version: list-configs shows it.")
]
_Preview = Annotated[
    str | None,
    typer.Option(
        "--preview",
        metavar="SPAN",
        help="First show what the limits would have found since then (30d, 12h, 2025-01-01T00:00:00Z), and ask.",
    ),
]
_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask, even if it leaves the spacecraft without limits.")]


def get_config(
    spacecraft_id: options.Spacecraft,
    *,
    version: _Version = None,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Show the limits in force for a spacecraft, or an earlier version.

    missionops get-config SC-001

    missionops get-config SC-001 --version 3 --json | jq .config > limits.json
    """
    show(configs.get(service, spacecraft_id, version), as_json, configs.show)


def set_config(
    spacecraft_id: options.Spacecraft,
    *,
    file: _File = None,
    version: _OldVersion = None,
    if_version: _IfVersion = None,
    reason: _Reason = None,
    since: _Preview = None,
    yes: _Yes = False,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Put limits in force for a spacecraft, in place of all that it had.

    The new limits judge everything that is published afterwards. A file with a fault changes nothing: each fault is
    shown with its path. A rule that can check nothing, such as one for a parameter that was never seen, is put in force
    with a warning. The output of `get-config --json` can be put back as it is.

    With --preview the effect on stored telemetry is shown first, and you are asked. Without a terminal to ask on, add
    --yes: the limits are then put in force once the effect is shown.

      missionops set-config SC-001 --file limits.json --reason "Heater test"

      missionops set-config SC-001 --version 3

      missionops set-config SC-001 --file limits.json --preview 30d
    """
    if (file is None) == (version is None):
        raise typer.BadParameter("Give either --file PATH or --version N, an earlier version.")
    if reason is not None and not reason.isprintable():
        raise typer.BadParameter("--reason has to be one line of text.")
    if since is not None and as_json:
        raise typer.BadParameter("--preview is for people: `missionops preview-config --json` prints one for programs.")
    document = configs.read(file) if file else configs.get(service, spacecraft_id, version)
    before = configs.find(service, spacecraft_id)
    question = None
    if since is not None:
        start = times.ago(since).isoformat().replace("+00:00", "Z")
        found = preview.collect(service, spacecraft_id, document, (start, times.end("now")))
        configs.show_changes(before, document, spacecraft_id)
        previews.show(found, spacecraft_id)
        if not yes:  # else they are shown once it is set
            configs.show_warnings(found["warnings"], spacecraft_id)
        question = "This is what it would have found."
    if not yes and configs.is_without_limits(document, spacecraft_id):
        now = config_document.count_limits(before.config) if before else 0
        question = f"This leaves {spacecraft_id} without limits (now: {now:,}): nothing is checked any more."
    if question and not yes:
        _confirm(question)
        if if_version is None:
            if_version = before.version if before else 0  # what the question was about
    headers = {"Missionops-If-Version": None if if_version is None else str(if_version), "Missionops-Reason": reason}
    given = {name: value for name, value in headers.items() if value is not None}
    reply = service.request(f"missionops.config.set.{spacecraft_id}", document, given)
    show(reply, as_json, partial(configs.show_set, before))


def _confirm(result: str) -> None:
    """Ask on a terminal whether a config with this result shall be set; anywhere else refuse it."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise errors.InvalidRequest(f"Not set. {result} If that is what you want, add --yes.")
    try:
        is_wanted = typer.confirm(f"{result} Put it in force?", err=True)
    except typer.Abort:
        is_wanted = False
    if not is_wanted:
        raise errors.InvalidRequest("Nothing was changed.")


def check_config(
    spacecraft_id: options.Spacecraft,
    *,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Show which limits judge telemetry, and why the others do not.

    "met" says how many of the newest 1,000 snapshots a rule judged; where it judged none, the reason is shown.
    Reported parameters without a rule are listed, too.

      missionops check-config SC-001
    """
    show(configs.check(service, spacecraft_id), as_json, configs.show_check)


def list_configs(
    spacecraft_id: options.Spacecraft,
    *,
    limit: options.Limit = options.DEFAULT_LIMIT,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """List the versions of a spacecraft's limits: who set them, when and why.

    missionops list-configs SC-001
    """

    def render(found: Any) -> None:
        rows = [
            (
                str(item["version"]),
                item["updatedAt"][:19].replace("T", " "),
                item["source"],
                item["by"] or "",
                item["reason"] or "",
            )
            for item in found
        ]
        tables.plain(("version", "since (UTC)", "source", "by", "reason"), rows, right=("version",))

    found = configs.versions(service, spacecraft_id, limit)
    show_list(found, as_json, render, f"{spacecraft_id} has no config.")
