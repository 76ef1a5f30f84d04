"""`missionops search-docs`, `get-doc` and `create-doc`: what operators should know."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from missionops import errors
from missionops.cli.client import files, loop, pagination, server
from missionops.cli.commands import options
from missionops.cli.output import tables, terminal

_MOST = 50

_Query = Annotated[str, typer.Option("--query", "-q", metavar="WORDS", help="What to look for; any text.")]
_Limit = Annotated[int, typer.Option("--limit", "-l", min=1, max=_MOST, metavar="N", help="At most so many.")]
_Category = Annotated[str | None, typer.Option("--category", metavar="NAME", help="Only those of this category.")]
_DocumentId = Annotated[str, typer.Argument(metavar="DOCUMENT", help="The document's id.")]
_Title = Annotated[str, typer.Option("--title", metavar="TEXT", help="What it is called.")]
_Body = Annotated[
    Path, typer.Option("--file", "-f", metavar="PATH", help="The text, from this file; - is standard input.")
]
_About = Annotated[
    str | None,
    typer.Argument(metavar="SPACECRAFT", callback=options.checked_id, help="Which one it is about, if any."),
]
_NewCategory = Annotated[str, typer.Option("--category", metavar="NAME", help="What kind of document.")]
_Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag; repeat it for more.")]
_NewId = Annotated[str | None, typer.Option("--id", metavar="ID", help="Its id; made by the service if not given.")]
_Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a document that has this id.")]


def search_docs(
    spacecraft_id: options.SomeSpacecraft = None,
    *,
    query: _Query,
    category: _Category = None,
    limit: _Limit = 10,
    as_json: options.Json = False,
    server_url: server.Server = server.DEFAULT,
) -> None:
    """Search the documents, the best match first.

    missionops search-docs --query "battery voltage"

    missionops search-docs --query beacon --spacecraft-id Cube-001 --json
    """
    request = {"q": query, "limit": limit, "spacecraftId": spacecraft_id, "category": category}
    found = loop.run(pagination.collect("missionops.docs.search", request, server_url, by_limit=False, at_most=limit))
    if as_json:
        pagination.print_json(found)
    elif found.items:
        tables.documents(found.decoded())
    if not found.items:
        terminal.note(f"No document has {terminal.printable(query)!r} in it.")


def get_doc(
    document_id: _DocumentId, *, as_json: options.Json = False, server_url: server.Server = server.DEFAULT
) -> None:
    """Show a document.

    missionops get-doc cube-001-troubleshooting
    """
    reply = loop.run(pagination.answer("missionops.docs.get", {"documentId": document_id}, server_url))
    if as_json:
        terminal.json(reply)
        return

    tables.document(msgspec.json.decode(reply))


def create_doc(
    spacecraft_id: _About = None,
    *,
    title: _Title,
    file: _Body,
    category: _NewCategory = "general",
    tags: _Tags = None,
    document_id: _NewId = None,
    overwrite: _Overwrite = False,
    as_json: options.Json = False,
    server_url: server.Server = server.DEFAULT,
) -> None:
    """Publish a document.

    missionops create-doc --title "Safe mode recovery" --file recovery.md --spacecraft-id SC-001 --tag safe-mode
    """
    request = {
        "title": title,
        "body": _read(file),
        "spacecraftId": spacecraft_id,
        "category": category,
        "tags": tags or [],
        "id": document_id,
        "overwrite": overwrite,
    }
    reply = loop.run(pagination.answer("missionops.docs.create", request, server_url))
    if as_json:
        terminal.json(reply)
    else:
        terminal.result(f"document {msgspec.json.decode(reply)['documentId']} published")


def _read(file: Path) -> str:
    try:
        return files.read(file).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise errors.InvalidRequest(f"{files.name(file)} is not UTF-8 text.") from None
