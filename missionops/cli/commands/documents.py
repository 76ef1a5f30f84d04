"""`missionops search-docs`, `get-doc` and `create-doc`: documents for operators."""

from pathlib import Path
from typing import Annotated

import typer

from missionops import errors
from missionops.cli.client import files
from missionops.cli.commands import options
from missionops.cli.commands.show import show, show_list
from missionops.cli.output import tables, terminal

_MOST = 50

_Query = Annotated[
    str | None,
    typer.Option("--query", "-q", metavar="WORDS", help="The words to search for, any text; the newest if not given."),
]
_Limit = Annotated[int, typer.Option("--limit", "-l", min=1, max=_MOST, metavar="N", help="At most N, best first.")]
_Category = Annotated[str | None, typer.Option("--category", metavar="NAME", help="Only documents of this category.")]
_Tag = Annotated[str | None, typer.Option("--tag", metavar="TAG", help="Only documents with this tag.")]
_DocumentId = Annotated[str, typer.Argument(metavar="DOCUMENT", help="The document's id.")]
_Title = Annotated[str, typer.Option("--title", metavar="TEXT", help="The document's title.")]
_Body = Annotated[
    Path, typer.Option("--file", "-f", metavar="PATH", help="The file with the text; - is standard input.")
]
_About = Annotated[
    str | None,
    typer.Argument(metavar="SPACECRAFT", callback=options.checked_id, help="The spacecraft that it is about, if any."),
]
_NewCategory = Annotated[str, typer.Option("--category", metavar="NAME", help="The document's category.")]
_Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag; repeat it for more.")]
_NewId = Annotated[str | None, typer.Option("--id", metavar="ID", help="The document's id; if not given a new one.")]
_Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a document that has this id.")]


def search_docs(
    spacecraft_id: options.SomeSpacecraft = None,
    *,
    query: _Query = None,
    category: _Category = None,
    tag: _Tag = None,
    limit: _Limit = 10,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Search the documents, best match first; without words show the newest.

    missionops search-docs --query "battery voltage"

    missionops search-docs --query beacon --spacecraft-id Cube-001 --json
    """
    request = {"q": query, "limit": limit, "spacecraftId": spacecraft_id, "category": category, "tag": tag}
    found = service.list("missionops.docs.search", request, at_most=limit, by_limit=False)
    filters = (("about", spacecraft_id), ("of the category", category), ("with the tag", tag))
    which = terminal.printable("".join(f" {words} {value}" for words, value in filters if value))
    if query:
        nothing = f"No document{which} has {terminal.printable(query)!r} in it."
    else:
        hint = f" Words are searched for with --query {spacecraft_id}." if spacecraft_id else ""
        nothing = f"There is no document{which}.{hint}"
    # A search ends with its best matches: that there are more says nothing.
    show_list(found._replace(has_more=False), as_json, tables.documents, nothing)
    if found.left_out:
        terminal.note(f"{found.left_out:,} more did not fit into the response: narrow the search.")


def get_doc(
    document_id: _DocumentId, *, as_json: options.Json = False, service: options.Server = options.DEFAULT_SERVER
) -> None:
    """Show a document.

    missionops get-doc cube-001-troubleshooting
    """
    show(service.request("missionops.docs.get", {"documentId": document_id}), as_json, tables.document)


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
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Publish a document.

    missionops create-doc --title "Safe mode recovery" --file recovery.md --spacecraft-id SC-001 --tag safe-mode
    """
    try:
        body = files.read(file).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise errors.InvalidRequest(f"{files.name(file)} is not UTF-8 text.") from None
    request = {
        "title": title,
        "body": body,
        "spacecraftId": spacecraft_id,
        "category": category,
        "tags": tags or [],
        "id": document_id,
        "overwrite": overwrite,
    }
    reply = service.request("missionops.docs.create", request)
    show(reply, as_json, lambda created: terminal.result(f"document {created['documentId']} published"))
