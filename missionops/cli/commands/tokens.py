"""`missionops tokens`: the tokens for HTTP."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
import typer

from missionops import errors
from missionops.cli.client import loop, tokens
from missionops.cli.commands import options, parsing
from missionops.cli.commands.show import show
from missionops.cli.output import tables, terminal
from missionops.domain import timestamp
from missionops.domain.access import Role

app = typer.Typer(
    name="tokens",
    cls=parsing.Group,
    add_completion=False,
    help="Create, list and revoke tokens for HTTP, in the database that MISSIONOPS_DATABASE_URL names.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["--help", "-h"]},
)

_SPAN = re.compile(r"([1-9][0-9]{0,3})([mhd])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The token's name, by which the audit names its bearer.")]
_Role = Annotated[
    Role,
    typer.Option(
        "--role", help="reader: read; operator: also report telemetry and events; admin: also set limits and register."
    ),
]
_Spacecraft = Annotated[
    list[str] | None,
    typer.Option("--spacecraft-id", metavar="SPACECRAFT", help="Only this spacecraft; repeat it for more."),
]
_Expires = Annotated[
    str | None, typer.Option("--expires", metavar="WHEN", help="After 90d, 12h or 30m, or at a time in RFC 3339.")
]
_All = Annotated[bool, typer.Option("--all", help="Also tokens that expired or were revoked.")]


@app.command("create", cls=parsing.Command)
def create_token(
    name: _Name,
    *,
    role: _Role,
    spacecraft_id: _Spacecraft = None,
    expires: _Expires = None,
    as_json: options.Json = False,
) -> None:
    """Create a token and print it, this once: only its hash is stored.

    missionops tokens create grafana --role reader --expires 90d

    missionops tokens create ground-station --role operator --spacecraft-id SC-001 --spacecraft-id SC-002
    """
    until = None
    if expires is not None and (span := _SPAN.fullmatch(expires)):
        until = datetime.now(UTC) + int(span[1]) * _UNITS[span[2]]
    elif expires is not None:
        try:
            until = timestamp.parse(expires)
        except timestamp.InvalidTimestamp:
            message = f"--expires is {expires!r}, which is neither like 90d, 12h or 30m nor a time in RFC 3339."
            raise errors.InvalidRequest(message) from None
    text, created = loop.run(tokens.create(name, role, spacecraft_id or None, until))

    def render(_: object) -> None:
        terminal.note(f"{created.sentence()} It is shown this once:")
        terminal.result(text)

    show(msgspec.json.encode({**msgspec.to_builtins(created), "token": text}), as_json, render)


@app.command("list", cls=parsing.Command)
def list_tokens(*, everything: _All = False, as_json: options.Json = False) -> None:
    """List the tokens in force.

    missionops tokens list --all
    """
    found = [token for token in loop.run(tokens.listed()) if everything or token.state == "in force"]
    if as_json or found:
        rows = [(each.name, each.role, each.about(), each.until(), each.state) for each in found]
        columns = ("token", "role", "spacecraft", "expires (UTC)", "state")
        show(msgspec.json.encode(found), as_json, lambda _: tables.plain(columns, rows))
    else:
        terminal.note("There are no tokens." if everything else "There are no tokens in force.")


@app.command("revoke", cls=parsing.Command)
def revoke_token(name: _Name) -> None:
    """Revoke a token for good: within seconds it is refused everywhere.

    missionops tokens revoke grafana
    """
    is_new = loop.run(tokens.revoke(name))
    terminal.note(f"Token {name} is revoked." if is_new else f"Token {name} was revoked before.")
