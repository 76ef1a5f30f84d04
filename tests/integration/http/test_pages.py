"""Pages for a browser: they load nothing, their links lead somewhere, and the API is as it was."""

import re

import httpx
import pytest

from missionops.app import Service
from missionops.operations.registry import OPERATIONS

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture
async def http(service: Service):
    async with httpx.AsyncClient(base_url=service.http_url) as client:
        yield client


async def test_the_root_links_to_everything(http: httpx.AsyncClient):
    page = await http.get("/", headers=BROWSER)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "trusted-types missionops" in page.headers["content-security-policy"]
    links = set(re.findall(r'(?:href|src)="(/[^"#]+)', page.text))
    assert links >= {"/docs", "/health/ready", "/metrics", "/openapi.json", "/asyncapi"}
    assert {(await http.get(link, headers=BROWSER)).status_code for link in links} == {200}


async def test_the_files_of_the_page_are_kept_by_browsers(http: httpx.AsyncClient):
    page = await http.get("/")
    assert page.headers["cache-control"] == "no-cache"
    for address in re.findall(r'(?:href|src)="(/ui/[^"]+)', page.text):
        file = await http.get(address)
        assert file.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert file.headers["x-content-type-options"] == "nosniff"
        assert file.headers["content-type"] in {"text/javascript; charset=utf-8", "text/css; charset=utf-8"}


async def test_docs_in_a_browser_shows_every_operation(http: httpx.AsyncClient):
    page = await http.get("/docs", headers=BROWSER)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for route in (route for operation in OPERATIONS for route in operation.routes):
        assert f"{route.method} {route.path}" in page.text


async def test_documents_below_docs_are_found_by_browsers_and_programs(http: httpx.AsyncClient):
    document = {"id": "about-a", "title": "Battery", "body": "Warm it."}
    assert (await http.post("/docs", json=document)).status_code == 201
    for headers in ({}, BROWSER):
        assert (await http.get("/docs/about-a", headers=headers)).json()["title"] == "Battery"
        (found,) = (await http.get("/docs/search", params={"q": "warm"}, headers=headers)).json()
        assert found["id"] == "about-a"
    refused = await http.get("/docs")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
