"""The operations page: its HTML at `/`, and what that loads at addresses that change with it, for browsers to keep."""

import gzip
import hashlib
import re
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from missionops import __version__
from missionops.http.response import HttpResponse

# Our own: what the machine's table of media types says is not for us to rely on.
_MEDIA_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; worker-src 'self'; "
    "img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    # No text ever becomes a tag, or a script but our own files.
    "require-trusted-types-for 'script'; trusted-types missionops"
)
_SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Content-Security-Policy": _POLICY}


def routes() -> Iterator[tuple[str, str, ASGIApp]]:
    """Path, method and application of the page and of each of its files."""
    root = resources.files("missionops.http") / "ui"
    found = sorted(_files(root, ""))
    files = {name: without_comments(content) if name.endswith(".js") else content for name, content in found}
    html = files.pop("index.html")
    digest = hashlib.sha256(b"\0".join(part for item in files.items() for part in (item[0].encode(), item[1])))
    base = f"/ui/{digest.hexdigest()[:16]}"
    page = html.replace(b"{base}", base.encode()).replace(b"{version}", __version__.encode())
    headers = _SAFE | {"Cache-Control": "no-cache"}
    yield "/", "GET", StaticFile(page, headers, "text/html; charset=utf-8")
    for name, content in files.items():
        headers = _SAFE | {"Cache-Control": "public, max-age=31536000, immutable"}
        media_type = _MEDIA_TYPES[name[name.rindex(".") :]]
        yield f"{base}/{name}", "GET", StaticFile(content, headers, media_type)


def without_comments(module: bytes) -> bytes:
    """A module as it is served: lines that are comments alone are empty, so that a fault still names the right line.

    They are a sixth of what is sent. A line within a text that looks like a comment would be lost: there is none.
    """
    comments = rb"^[ \t]*(?:/\*\*(?:(?!\*/).)*\*/[ \t]*|//[^\n]*)$"  # a line that goes on after its comment stays
    flags = re.MULTILINE | re.DOTALL
    return re.sub(comments, lambda found: b"\n" * found[0].count(b"\n"), module, flags=flags)


class StaticFile:
    """A file, compressed once for all clients that take it so: over a slow link it comes in a quarter of the time."""

    def __init__(self, content: bytes, headers: Mapping[str, str], media_type: str) -> None:
        varying = {**headers, "Vary": "Accept-Encoding"}
        self._plain = HttpResponse(content, headers=varying, media_type=media_type)
        compressed = gzip.compress(content, mtime=0)
        self._compressed = HttpResponse(
            compressed, headers={**varying, "Content-Encoding": "gzip"}, media_type=media_type
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        accepted = Headers(scope=scope).get("accept-encoding", "")
        await (self._compressed if "gzip" in accepted else self._plain)(scope, receive, send)


def _files(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _files(item, f"{path}{item.name}/")
        elif item.name.endswith((".html", *_MEDIA_TYPES)):
            yield f"{path}{item.name}", item.read_bytes()
