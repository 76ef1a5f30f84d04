"""A spacecraft's limits, asked for, put in force and shown."""

from pathlib import Path
from typing import Any

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from missionops import errors
from missionops.cli.client import connection, files
from missionops.cli.output import terminal
from missionops.domain import limits, number
from missionops.wire.text import utf8, utf16

_COLOURS = {"critLow": "red", "warnLow": "yellow", "warnHigh": "yellow", "critHigh": "red"}


class _InForce(msgspec.Struct, rename="camel"):
    spacecraft_id: str
    config: dict[str, Any]
    version: int
    source: str
    updated_at: str


async def get(spacecraft_id: str, server_url: str) -> bytes:
    """The service's reply about the config in force."""
    async with connection.connected(server_url) as client:
        try:
            return await connection.request(client, f"missionops.config.get.{spacecraft_id}")
        except errors.NotFound:
            raise errors.NotFound(
                f"Config not found: `missionops set-config {spacecraft_id} --file PATH` sets one."
            ) from None


async def put(spacecraft_id: str, document: bytes, server_url: str) -> bytes:
    """Puts a config in force; the service's reply. Every fault in the config is named."""
    async with connection.connected(server_url) as client:
        return await connection.request(client, f"missionops.config.set.{spacecraft_id}", document)


def version(reply: bytes) -> int:
    """Which version a reply is about."""
    return _decoded(reply).version


def read(file: Path) -> bytes:
    """The JSON in a file, as UTF-8 without a mark before it."""
    document = files.read(file)
    try:
        if codec := utf16(document):
            document = document.decode(codec).encode()
        document = utf8(document)
        msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise errors.InvalidRequest(f"{files.name(file)} is not JSON: {error}.") from None
    return document


def show(reply: bytes) -> None:
    """The limits as a table, and whatever else the config holds."""
    found = _decoded(reply)
    console = Console(highlight=False)
    since = f"{found.updated_at[:19].replace('T', ' ')} UTC"
    title = f"{found.spacecraft_id}: config version {found.version}, since {since}, source {found.source}"
    terminal.result(terminal.printable(title))
    console.print(_table(found), markup=False)
    others = [key for key in found.config if key != "parameters"]
    if others:
        terminal.result(terminal.printable(f"Also in this config: {', '.join(others)} (see --json)."))


def _table(found: _InForce) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("parameter", overflow="fold")
    for name in limits.NAMES:
        table.add_column(name, justify="right", style=_COLOURS[name])
    for name, rule in found.config.get("parameters", {}).items():
        values = (number.text(rule[limit]) if limit in rule else "" for limit in limits.NAMES)
        table.add_row(terminal.printable(name), *values)
    return table


def _decoded(reply: bytes) -> _InForce:
    try:
        return msgspec.json.decode(reply, type=_InForce)
    except msgspec.DecodeError as error:
        raise errors.Unavailable(f"The answer is not a config ({error}): is another program listening there?") from None
