"""The AsyncAPI document as a page to read."""

import json
from html import escape
from typing import Any

from missionops.http import pages
from missionops.http.docs.schemas import Schema


def html(document: Schema) -> str:
    """The page."""
    contents, sections = [], []
    for name, operation in document["operations"].items():
        channel = _at(operation["channel"], document)
        way = "Request" if "reply" in operation else "In" if operation["action"] == "receive" else "Out"
        parts = [
            f'<section id="{escape(name)}"><h2><code>{escape(channel["address"])}</code></h2>',
            f"<p><strong>{way}.</strong> {_inline(channel['description'])}</p>",
        ]
        for key, parameter in channel.get("parameters", {}).items():
            parts.append(f"<p><code>{escape(key)}</code>: {_inline(parameter['description'])}</p>")
        for message in (*channel["messages"].values(), *operation.get("reply", {}).get("messages", ())):
            found = message
            while "$ref" in found:
                found = _at(found, document)
            parts.append(_message(found))
        contents.append(f'<li><a href="#{escape(name)}"><code>{escape(channel["address"])}</code></a></li>')
        sections.append("".join((*parts, "</section>")))
    info = document["info"]
    return pages.render(
        "asyncapi",
        f"{info['title']}: subjects",
        name=escape(info["title"]),
        version=escape(info["version"]),
        description="".join(f"<p>{_inline(paragraph)}</p>" for paragraph in info["description"].split("\n\n")),
        contents="\n".join(contents),
        operations="\n".join(sections),
        schemas="\n".join(
            f'<h3 id="{_anchor(name)}">{escape(name)}</h3><pre>{escape(json.dumps(schema, indent=2))}</pre>'
            for name, schema in document["components"]["schemas"].items()
        ),
    )


def _at(reference: Schema, document: Schema) -> Any:
    """What a reference within the document refers to."""
    found: Any = document
    for key in reference["$ref"].removeprefix("#/").split("/"):
        found = found[key]
    return found


def _message(message: Schema) -> str:
    """A message with its headers; a payload that has a name, or is an array of what has one, is a link."""
    described = f"<p>{_inline(message['description'])}</p>" if "description" in message else ""
    rows = []
    for name, header in message.get("headers", {}).get("properties", {}).items():
        values = ", ".join(f"`{value}`" for value in header.get("enum", ()))
        text = _inline(header.get("description") or values)
        rows.append(f"<tr><td><code>{escape(name)}</code></td><td>{text}</td></tr>")
    payload = message["payload"]
    items = payload.get("items", {}) if payload.get("type") == "array" else {}
    name = str(payload.get("$ref") or items.get("$ref") or "").rpartition("/")[2]
    shown = f"<pre>{escape(json.dumps(payload, indent=2))}</pre>"
    if name:
        most = f", at most {payload['maxItems']}" if "maxItems" in payload else ""
        shown = f'<p>{"An array of " if items else ""}<a href="#{_anchor(name)}">{escape(name)}</a>{most}</p>'
    return "".join(
        (
            f"<h3>{escape(message['title'])}</h3>",
            f"<p><small>{escape(message['contentType'])}</small></p>{described}",
            f"<table>{''.join(rows)}</table>" if rows else "",
            shown,
        )
    )


def _anchor(name: str) -> str:
    return escape(f"schema-{name}")


def _inline(text: str) -> str:
    """A text, with what stands between backticks as code."""
    parts = text.split("`")
    return "".join(f"<code>{escape(part)}</code>" if index % 2 else escape(part) for index, part in enumerate(parts))
