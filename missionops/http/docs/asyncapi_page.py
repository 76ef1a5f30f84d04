"""The AsyncAPI document as a page to read."""

import json
from collections.abc import Iterable
from html import escape
from typing import Any

from missionops.http import pages
from missionops.http.docs.schemas import Schema


def html(document: Schema) -> str:
    """The page."""
    info = document["info"]
    return pages.render(
        "asyncapi",
        f"{info['title']}: subjects",
        name=escape(info["title"]),
        version=escape(info["version"]),
        description="".join(f"<p>{_inline(paragraph)}</p>" for paragraph in info["description"].split("\n\n")),
        contents="\n".join(
            f'<li><a href="#{escape(name)}"><code>{escape(_channel(operation, document)["address"])}</code></a></li>'
            for name, operation in document["operations"].items()
        ),
        operations="\n".join(
            _operation(name, operation, document) for name, operation in document["operations"].items()
        ),
        schemas="\n".join(
            f'<h3 id="{_anchor(name)}">{escape(name)}</h3><pre>{escape(json.dumps(schema, indent=2))}</pre>'
            for name, schema in document["components"]["schemas"].items()
        ),
    )


def _operation(name: str, operation: Schema, document: Schema) -> str:
    channel = _channel(operation, document)
    way = "Request" if "reply" in operation else "In" if operation["action"] == "receive" else "Out"
    return "".join(
        (
            f'<section id="{escape(name)}"><h2><code>{escape(channel["address"])}</code></h2>',
            f"<p><strong>{way}.</strong> {_inline(channel['description'])}</p>",
            *(f"<p><code>{escape(key)}</code>: {_inline(found['description'])}</p>"
              for key, found in channel.get("parameters", {}).items()),
            *map(_message, _messages(operation, channel, document)),
            "</section>",
        )
    )  # fmt: skip


def _channel(operation: Schema, document: Schema) -> Schema:
    channel: Schema = _at(operation["channel"], document)
    return channel


def _messages(operation: Schema, channel: Schema, document: Schema) -> Iterable[Schema]:
    for message in (*channel["messages"].values(), *operation.get("reply", {}).get("messages", ())):
        found = message
        while "$ref" in found:
            found = _at(found, document)
        yield found


def _at(reference: Schema, document: Schema) -> Any:
    """What a reference within the document refers to."""
    found: Any = document
    for key in reference["$ref"].removeprefix("#/").split("/"):
        found = found[key]
    return found


def _message(message: Schema) -> str:
    described = f"<p>{_inline(message['description'])}</p>" if "description" in message else ""
    rows = []
    for name, header in message.get("headers", {}).get("properties", {}).items():
        values = ", ".join(f"`{value}`" for value in header.get("enum", ()))
        text = _inline(header.get("description") or values)
        rows.append(f"<tr><td><code>{escape(name)}</code></td><td>{text}</td></tr>")
    return "".join(
        (
            f"<h3>{escape(message['title'])}</h3>",
            f"<p><small>{escape(message['contentType'])}</small></p>{described}",
            f"<table>{''.join(rows)}</table>" if rows else "",
            _payload(message["payload"]),
        )
    )


def _payload(payload: Schema) -> str:
    """A link where the payload is a schema that has a name, or many of one."""
    many = payload.get("items", {}) if payload.get("type") == "array" else {}
    name = str(payload.get("$ref") or many.get("$ref") or "").rpartition("/")[2]
    if not name:
        return f"<pre>{escape(json.dumps(payload, indent=2))}</pre>"
    most = f", at most {payload['maxItems']}" if "maxItems" in payload else ""
    return f'<p>{"An array of " if many else ""}<a href="#{_anchor(name)}">{escape(name)}</a>{most}</p>'


def _anchor(name: str) -> str:
    return escape(f"schema-{name}")


def _inline(text: str) -> str:
    """A text, with what stands between backticks as code."""
    parts = text.split("`")
    return "".join(f"<code>{escape(part)}</code>" if index % 2 else escape(part) for index, part in enumerate(parts))
