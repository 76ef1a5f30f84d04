"""The files of the operations page: each is served as what it is, and they stay small."""

from importlib import resources
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from missionops.http import operations_page

UI = Path(str(resources.files("missionops.http") / "ui"))
FILES = sorted(file for file in UI.rglob("*") if file.suffix in {".js", ".css"})


@pytest.fixture
def served() -> dict[str, object]:
    return {path: endpoint for path, _, endpoint in operations_page.routes()}


def test_no_module_is_too_long():
    """What has more lines has more than one subject."""
    lengths = {file.relative_to(UI).as_posix(): len(file.read_text().splitlines()) for file in FILES}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


async def test_every_file_is_served_compressed_as_what_it_is_and_all_of_them_are_small(served):
    app = Starlette(routes=[Route(path, endpoint) for path, endpoint in served.items()])
    transport = httpx.ASGITransport(app=app)
    total = 0
    async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
        own = [path for path in served if path.startswith("/ui/") and "plotly" not in path]
        assert {path.split("/", 3)[3] for path in own} == {file.relative_to(UI).as_posix() for file in FILES}
        for path in own:
            answer = await client.get(path, headers={"Accept-Encoding": "gzip, br"})
            media_type = "text/javascript" if path.endswith(".js") else "text/css"
            assert answer.headers["content-type"] == f"{media_type}; charset=utf-8"
            assert answer.headers["content-encoding"] == "gzip"
            plain = await client.get(path, headers={"Accept-Encoding": "identity"})
            assert "content-encoding" not in plain.headers
            content = (UI / path.split("/", 3)[3]).read_bytes()
            expected = operations_page.without_comments(content) if path.endswith(".js") else content
            assert plain.content == answer.content == expected
            total += int(answer.headers["content-length"])
    assert total < 120_000


def test_comments_are_not_sent_and_lines_keep_their_numbers():
    module = b"""// One.
/**
 * Two.
 */
export const three = "// text"; // said
  /** Four. */
  /** @type {number} */ (three);
const five = 1 /* six */ * 2;
"""
    served = b"""



export const three = "// text"; // said

  /** @type {number} */ (three);
const five = 1 /* six */ * 2;
"""
    assert operations_page.without_comments(module) == served


def test_nothing_but_comments_is_left_out():
    for file in FILES:
        if file.suffix == ".js":
            lines = file.read_text().split("\n")
            served = operations_page.without_comments(file.read_bytes()).decode().split("\n")
            assert len(served) == len(lines)
            gone = [line.strip() for line, sent in zip(lines, served, strict=True) if line != sent]
            assert [line for line in gone if not line.startswith(("/**", "*", "//"))] == []
