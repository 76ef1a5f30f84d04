"""What a command prints: JSON for programs, or what a renderer makes of it for people."""

from collections.abc import Callable
from typing import Any

import msgspec

from missionops.cli.client.pagination import Pages
from missionops.cli.output import terminal

Renderer = Callable[[Any], None]
"""Prints a decoded response for people."""


def show(reply: bytes, as_json: bool, render: Renderer) -> None:  # noqa: FBT001 - the flag --json
    """Print a response."""
    if as_json:
        terminal.json(reply)
    else:
        render(msgspec.json.decode(reply))


def show_list(pages: Pages, as_json: bool, render: Renderer, nothing: str) -> None:  # noqa: FBT001 - the flag --json
    """Print a list, and on standard error that it is empty (`nothing`) or has more items than these."""
    if as_json or pages.items:
        show(pages.body, as_json, render)
    if not pages.items:
        terminal.note(nothing)
    elif pages.has_more:
        terminal.note(f"There are more than these {len(pages.items):,}: --limit shows them.")
