"""What a command prints: JSON for programs, or what a renderer makes of it for people."""

from collections.abc import Callable
from typing import Any

import msgspec

from missionops.cli.client import known
from missionops.cli.client.pagination import Pages
from missionops.cli.client.service import Service
from missionops.cli.output import terminal

Renderer = Callable[[Any], None]
"""Prints a decoded response for people."""


def show(reply: bytes, as_json: bool, render: Renderer) -> None:  # noqa: FBT001 - the flag --json
    """Print a response."""
    if as_json:
        terminal.json(reply)
    else:
        render(msgspec.json.decode(reply))


def show_list(
    pages: Pages,
    as_json: bool,  # noqa: FBT001 - the flag --json
    render: Renderer,
    nothing: str,
    *,
    service: Service | None = None,
    spacecraft_id: str | None = None,
) -> None:
    """Print a list, and on standard error that it is empty (`nothing`) or has more items than these.

    Where it is of one spacecraft, that and the service say whether it is empty because nobody knows the spacecraft.
    """
    if as_json or pages.items:
        show(pages.body, as_json, render)
    if not pages.items:
        terminal.note(known.nothing_of(service, spacecraft_id, nothing) if service and spacecraft_id else nothing)
    elif pages.has_more:
        terminal.note(f"There are more than these {len(pages.items):,}: --limit shows them.")
