"""The AsyncAPI document as a page to read: no script, and nothing loaded from anywhere."""

import json
from collections.abc import Iterable
from html import escape
from typing import Any

from missionops.http.docs.schemas import Schema

_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
nav ul { columns: 24rem; list-style: none; padding: 0 }
section { border-top: 1px solid #8886; margin-top: 2rem }
h3 { margin-bottom: 0 }
code, pre { font: 14px/1.45 ui-monospace, monospace }
pre { background: #8881; padding: .75rem; overflow-x: auto; border-radius: .3rem }
h2 code { font-size: 1.1rem; overflow-wrap: anywhere }
table { border-collapse: collapse }
td, th { text-align: left; vertical-align: top; padding: .15rem 1.5rem .15rem 0 }
"""


def html(document: Schema) -> str:
    """The page."""
    info = document["info"]
    body = "".join(
        (
            f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>",
            _text(info["description"]),
            '<p>The same as <a href="/asyncapi.json">AsyncAPI</a>; over HTTP: <a href="/openapi.json">OpenAPI</a>.</p>',
            _contents(document),
            *(_operation(name, operation, document) for name, operation in document["operations"].items()),
            "<section><h2>Schemas</h2>",
            *(_schema(name, schema) for name, schema in document["components"]["schemas"].items()),
            "</section>",
        )
    )
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])}: subjects</title><style>{_STYLE}</style>"
    )
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>'


def _contents(document: Schema) -> str:
    items = "".join(
        f'<li><a href="#{escape(name)}"><code>{escape(_channel(operation, document)["address"])}</code></a></li>'
        for name, operation in document["operations"].items()
    )
    return f"<nav><ul>{items}</ul></nav>"


def _operation(name: str, operation: Schema, document: Schema) -> str:
    channel = _channel(operation, document)
    way = "Asked for" if "reply" in operation else "In" if operation["action"] == "receive" else "Out"
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
    headers = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{_inline(_header(header))}</td></tr>"
        for name, header in message.get("headers", {}).get("properties", {}).items()
    )
    return "".join(
        (
            f"<h3>{escape(message['title'])}</h3>",
            f"<p><small>{escape(message['contentType'])}</small></p>{described}",
            f"<table>{headers}</table>" if headers else "",
            _payload(message["payload"]),
        )
    )


def _header(header: Schema) -> str:
    return str(header.get("description") or ", ".join(f"`{value}`" for value in header.get("enum", ())))


def _payload(payload: Schema) -> str:
    """A link where the payload is a schema that has a name, or many of one."""
    many = payload.get("items", {}) if payload.get("type") == "array" else {}
    name = str(payload.get("$ref") or many.get("$ref") or "").rpartition("/")[2]
    if not name:
        return f"<pre>{escape(json.dumps(payload, indent=2))}</pre>"
    most = f", at most {payload['maxItems']}" if "maxItems" in payload else ""
    return f'<p>{"An array of " if many else ""}<a href="#{escape(_anchor(name))}">{escape(name)}</a>{most}</p>'


def _schema(name: str, schema: Schema) -> str:
    text = escape(json.dumps(schema, indent=2))
    return f'<h3 id="{escape(_anchor(name))}">{escape(name)}</h3><pre>{text}</pre>'


def _anchor(name: str) -> str:
    return f"schema-{name}"


def _text(text: str) -> str:
    return "".join(f"<p>{_inline(paragraph)}</p>" for paragraph in text.split("\n\n"))


def _inline(text: str) -> str:
    """A text, with what stands between backticks as code."""
    parts = text.split("`")
    return "".join(f"<code>{escape(part)}</code>" if index % 2 else escape(part) for index, part in enumerate(parts))
