"""HTML pages to read: no script, and nothing loaded from anywhere."""

from collections.abc import Iterable
from functools import cache
from html import escape
from importlib import resources
from string import Template

from missionops import __version__
from missionops.http.response import HttpResponse
from missionops.operations.operation import Operation, Route

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def response(html: str) -> HttpResponse:
    """A page as a response."""
    return HttpResponse(html.encode(), headers=_HEADERS, media_type="text/html; charset=utf-8")


def render(template: str, title: str, **parts: str) -> str:
    """The page of a file of this package; `parts` are HTML."""
    body = _template(template).substitute(parts)
    return _template("skeleton").substitute(title=escape(title), body=body)


@cache
def _template(name: str) -> Template:
    return Template((resources.files(__package__ or __name__) / f"{name}.html").read_text("utf-8"))


def operations(offered: Iterable[tuple[Operation, Route]]) -> str:
    """The operations with their HTTP routes and NATS subjects."""
    rows = "\n".join(
        f"<tr><td><code>{escape(f'{route.method} {route.path}')}</code></td>"
        f"<td><code>{escape(operation.subject.replace('*', '{spacecraftId}'))}</code></td>"
        f"<td>{escape(operation.summary)}</td></tr>"
        for operation, route in offered
    )
    return render("operations", "missionops: operations", version=escape(__version__), rows=rows)
