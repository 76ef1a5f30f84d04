"""`missionops notify-test`: one message to one target, by hand."""

from pathlib import Path
from typing import Annotated

import typer

from missionops import errors, settings
from missionops.cli.client import loop
from missionops.cli.output import terminal
from missionops.domain.notification import text
from missionops.notifications import file as notify_file
from missionops.notifications import notifier

_Target = Annotated[str, typer.Argument(metavar="TARGET", help="The name of a target in the notify file.")]
_File = Annotated[
    Path | None,
    typer.Option("--file", metavar="PATH", help="The notify file, if it is not the one of MISSIONOPS_NOTIFY_FILE."),
]


def notify_test(target: _Target, *, path: _File = None) -> None:
    """Send a test message to one target of the notify file.

    The whole file is checked first. The exit code is 1 if it is wrong, or if the target did not take the message.

      missionops notify-test ops --file notify.toml
    """
    path = path or settings.read().notify_file
    if path is None:
        raise errors.InvalidRequest("There is no notify file: name one by --file or MISSIONOPS_NOTIFY_FILE.")
    targets = notify_file.read(path).targets
    if target not in targets:
        known = ", ".join(targets) or "none"
        raise errors.NotFound(f"The notify file {path} has no target {target!r}; it has {known}.")
    reason = loop.run(targets[target].send(text.trial(target, notifier.utc_now())))
    if reason is not None:
        raise errors.Unavailable(f"The target {target} did not take the message: {reason}.")
    terminal.result(f"The target {target} has taken the message: see whether it has arrived.")
