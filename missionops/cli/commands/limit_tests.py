"""`missionops test-limits`: tests of limits, without a server."""

from pathlib import Path
from typing import Annotated

import typer

from missionops import errors
from missionops.cli.limit_tests import document
from missionops.cli.limit_tests.run import run
from missionops.cli.output import terminal

UNREADABLE = 2
"""The exit code for a file that is no file of tests."""

_Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of tests, as YAML or JSON.")]


def test_limits(paths: _Files) -> None:
    """Test limits against series of values and expected alarms, without a server.

    Ends with exit code 0 if every test passes, with 1 if one fails, and with 2 if a file cannot be read as tests.
    The product's own sample, missionops/samples/limit-tests.yaml, shows and explains all that a file may hold.

      missionops test-limits limit-tests.yaml
    """
    failed = total = 0
    try:
        for path in paths:
            for index, one in enumerate(document.read(path)):
                differences = run(one, f"{path}: tests.{index}")
                total += 1
                failed += bool(differences)
                verdict = terminal.paint("FAILED", "red") if differences else terminal.paint("passed", "green")
                terminal.result(f"{verdict}  {terminal.printable(f'{path}: {one.name}')}")
                for line in differences:
                    terminal.result(terminal.printable(f"        {line}"))
    except errors.InvalidRequest as error:
        terminal.complain(error)
        raise typer.Exit(UNREADABLE) from None
    terminal.result(f"{total - failed} of {total} tests passed.")
    raise typer.Exit(1 if failed else 0)
