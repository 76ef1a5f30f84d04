"""Alarms as a person names them: by an id, or by its beginning as tables show it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import typer

from missionops.cli.client.service import Service
from missionops.errors import NotFound

_ID = re.compile(r"al_[0-9a-f]{32}")
_BEGINNING = re.compile(r"(al_)?[0-9a-f]{4,32}")
_NAMED = 1_000
"""Alarms that one request may name."""
MOST = 10_000
"""Alarms of a spacecraft that are listed at most, the newest: those among which a beginning is looked for."""


def named(service: Service, spacecraft_id: str, names: Iterable[str]) -> list[str]:
    """The ids that these names stand for, of alarms of one spacecraft."""
    wanted = list(names)
    for name in wanted:
        if not _BEGINNING.fullmatch(name):
            raise typer.BadParameter(f"{name!r} is no id of an alarm, and no beginning of one such as al_0123abcd.")
    if all(_ID.fullmatch(name) for name in wanted):
        return wanted
    known = [one["id"] for one in every(service, spacecraft_id, {})]
    ids: list[str] = []
    for name in wanted:
        if _ID.fullmatch(name):
            ids.append(name)
            continue
        beginning = name if name.startswith("al_") else f"al_{name}"
        found = [one for one in known if one.startswith(beginning)]
        if not found:
            raise NotFound(f"No alarm of {spacecraft_id} has an id that begins with {beginning}.")
        if len(found) > 1:
            raise typer.BadParameter(f"{len(found)} alarms of {spacecraft_id} have an id that begins with {beginning}.")
        ids += found
    return ids


def every(service: Service, spacecraft_id: str, request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The alarms of a spacecraft that a request is about, the newest first."""
    pages = service.list(f"missionops.alarms.list.{spacecraft_id}", request, at_most=MOST)
    return [msgspec.json.decode(item) for item in pages.items]


def acknowledge(
    service: Service,
    spacecraft_id: str,
    identifiers: Sequence[str],
    revisions: Mapping[str, int],
    fields: Mapping[str, str | None],
) -> dict[str, list[Any]]:
    """Acknowledge alarms by as many requests as it takes: what they answered, together.

    One whose revision is not that of `revisions`, if it is there, is refused. `fields` are `by` and `comment`.
    """
    found: dict[str, list[Any]] = {"alarms": [], "refused": []}
    left = [*identifiers]
    while left:
        ids = left[:_NAMED]
        seen = {one: revisions[one] for one in ids if one in revisions}
        request = {"ids": ids, "revisions": seen or None, **fields}
        reply = msgspec.json.decode(service.request(f"missionops.alarms.acknowledge.{spacecraft_id}", request))
        # Those that the response had no room for are named again, as long as that leads anywhere.
        again = {one["id"] for one in reply["refused"] if one["code"] == "unavailable" and reply["alarms"]}
        found["alarms"] += reply["alarms"]
        found["refused"] += [one for one in reply["refused"] if one["id"] not in again]
        left = [*again, *left[_NAMED:]]
    return found
