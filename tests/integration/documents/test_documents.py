"""Documents: published, replaced, and found by words and by any part of their text."""

import asyncio
import json
import os
import random
import time
import uuid
from typing import Any

import asyncpg
import httpx
import pytest
from nats.aio.client import Client

from missionops.app import Service
from missionops.store import documents
from tests.wait import PATIENCE

MAX_BODY = 900_000


async def ask(client: Client, subject: str, **request: object):
    body = json.dumps(request, ensure_ascii=False).encode()
    reply = await client.request(f"missionops.{subject}", body, timeout=6)
    return json.loads(reply.data)


async def create(client: Client, **given: object) -> dict[str, Any]:
    return await ask(client, "docs.create", **{"title": "Power", "body": "The bus is at 28 V.", **given})


async def found(client: Client, q: str, **request: object) -> list[str]:
    """The ids of what a search finds, best first."""
    answer = await ask(client, "docs.search", q=q, **request)
    assert isinstance(answer, list), answer
    return [document["id"] for document in answer]


@pytest.fixture
async def told(client: Client):
    return await client.subscribe("events.*")


async def test_a_document_is_kept_as_it_was_given_and_told_as_an_event(service: Service, client, told):
    given = {
        "id": "power.1", "spacecraftId": "SC-001", "title": "Power — überall", "category": "manual",
        "tags": ["eps", "Batterie"], "body": "Line 1\nLine 2 \\ \" ' 🛰",
    }  # fmt: skip
    assert await create(client, **given) == {"documentId": "power.1"}
    document = await ask(client, "docs.get", documentId="power.1")
    published = document.pop("publishedAt")
    assert published.endswith("Z")
    assert document == given
    message = await told.next_msg(PATIENCE)
    event = json.loads(message.data)
    assert message.subject == "events.SC-001"
    assert (event["type"], event["severity"], event["spacecraftId"]) == ("DOCUMENT_PUBLISHED", "LOW", "SC-001")
    about = {"documentId": "power.1", "title": "Power — überall", "by": "nats"}
    assert event["metadata"] == about | {"before": None, "after": document | {"publishedAt": published}}
    assert await ask(client, "events.list.SC-001") == [event]


async def test_without_a_spacecraft_it_is_told_to_the_fleet(service: Service, client, told):
    name = (await create(client))["documentId"]
    document = await ask(client, "docs.get", documentId=name)
    assert (document["spacecraftId"], document["category"], document["tags"]) == (None, "general", [])
    message = await told.next_msg(PATIENCE)
    assert message.subject == "events._fleet"
    assert json.loads(message.data)["spacecraftId"] is None


async def test_the_same_again_changes_nothing_other_content_conflicts_and_overwrite_replaces(
    service: Service, client, told
):
    for _ in range(2):
        assert await create(client, id="p", tags=["a", "b"]) == {"documentId": "p"}
    first = await ask(client, "docs.get", documentId="p")
    for other in (
        {"title": "power"}, {"body": ""}, {"tags": ["b", "a"]}, {"category": "manual"}, {"spacecraftId": "SC-1"}
    ):  # fmt: skip
        answer = await create(client, id="p", **{"tags": ["a", "b"], **other})
        assert answer["error"]["code"] == "conflict", other
    assert await create(client, id="p", tags=["a", "b"], overwrite=True) == {"documentId": "p"}
    assert await ask(client, "docs.get", documentId="p") == first  # nothing changed, so nothing was published

    assert await create(client, id="p", body="Nothing about electricity", overwrite=True) == {"documentId": "p"}
    second = await ask(client, "docs.get", documentId="p")
    assert (second["body"], second["tags"]) == ("Nothing about electricity", [])
    assert second["publishedAt"] > first["publishedAt"]
    assert await found(client, "electricity") == ["p"]
    assert await found(client, "28 V") == []
    for _ in range(2):
        assert json.loads((await told.next_msg(PATIENCE)).data)["metadata"]["documentId"] == "p"
    # Events go out in order: nothing came between.
    await create(client, id="q")
    assert json.loads((await told.next_msg(PATIENCE)).data)["metadata"]["documentId"] == "q"


async def test_many_at_once_under_one_id_are_one(service: Service, client, database):
    answers = await asyncio.gather(*(create(client, id="one") for _ in range(20)))
    assert answers == [{"documentId": "one"}] * 20
    answers = await asyncio.gather(*(create(client, id="two", body=str(number)) for number in range(20)))
    assert sum("error" not in answer for answer in answers) == 1
    assert await database.fetchval("SELECT count(*) FROM app.event") == 2


@pytest.mark.shared_service
@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"title": ""}, "title"),
        ({"title": "x" * 513}, "title"),
        ({"title": None}, "title"),
        ({"body": "a\0"}, "body"),
        ({"body": 1}, "body"),
        ({"category": ""}, "category"),
        ({"tags": "a"}, "tags"),
        ({"tags": ["a", ""]}, "tags"),
        ({"tags": ["a", None]}, "tags"),
        ({"tags": ["a"] * 101}, "tags"),
        ({"id": "search"}, "id"),
        ({"id": ""}, "id"),
        ({"id": ".a"}, "id"),
        ({"id": "a/b"}, "id"),
        ({"id": "a\n"}, "id"),
        ({"spacecraftId": "a.b"}, "spacecraftId"),
        ({"spacecraftId": ""}, "spacecraftId"),
        ({"overwrite": 1}, "overwrite"),
        ({"author": "me"}, "author"),
    ],
)
async def test_what_breaks_a_rule_is_refused_by_its_path(service: Service, client, database, given, path):
    before = await database.fetchval("SELECT count(*) FROM app.document")
    error = (await create(client, **given))["error"]
    assert error["code"] == "invalid_request"
    assert error["details"][0]["path"].startswith(path)
    assert await database.fetchval("SELECT count(*) FROM app.document") == before


async def test_what_is_not_there_is_not_found_and_what_is_no_id_is_refused(service: Service, client):
    assert (await ask(client, "docs.get", documentId="none"))["error"]["code"] == "not_found"
    for name in ("", "search", "a b", "x" * 129):
        assert (await ask(client, "docs.get", documentId=name))["error"]["code"] == "invalid_request"
    assert (await ask(client, "docs.get"))["error"]["details"][0]["path"] == "documentId"


@pytest.mark.parametrize(
    "body",
    [
        " ".join(f"{number * 2654435761 % 2**40:x}" for number in range(100_000)),
        "-".join(f"{number * 2654435761 % 2**24:x}" for number in range(150_000)),
        "/usr" * 300_000,
        "x" * MAX_BODY,
        "The battery is warm. " * 50_000,
    ],
    ids=["words", "hyphens", "path", "one word", "prose"],
)
async def test_the_largest_bodies_are_kept_and_searched(service: Service, client, body):
    body = body.encode()[: MAX_BODY - 20].decode() + " needle in a stack"
    assert await create(client, id="large", body=body) == {"documentId": "large"}
    assert (await ask(client, "docs.get", documentId="large"))["body"] == body
    assert await found(client, "Needle in") == ["large"]  # as a part, where the words did not all fit
    assert (await create(client, body=body + "x" * 110_000))["error"]["code"] == "too_large"


async def test_what_does_not_fit_into_a_reply_is_counted(service: Service, client):
    for name in ("a", "b", "c"):
        await create(client, id=name, body="Battery. " * 50_000)
    for request in ({"q": "battery"}, {}):
        reply = await client.request("missionops.docs.search", json.dumps(request).encode(), timeout=10)
        shown = [document["id"] for document in json.loads(reply.data)]
        assert (shown, reply.headers["Missionops-Left-Out"]) == (["c"], "2")
    async with httpx.AsyncClient(base_url=service.http_url, timeout=10) as http:
        whole = await http.get("/docs/search", params={"q": "battery"})
    assert ([document["id"] for document in whole.json()], "missionops-left-out" in whole.headers) == (
        ["c", "b", "a"], False,
    )  # fmt: skip


async def test_words_are_found_in_whatever_form_and_the_best_match_is_first(service: Service, client):
    body = "Nothing else. " * 20
    await create(client, id="body", title="Overview", body=f"{body} The batteries are charged. {body}")
    await create(client, id="title", title="Battery handbook", body=body)
    await create(client, id="tag", title="Handbook", tags=["battery"], body=body)
    await create(client, id="part", title="Handbook", body=f"{body} Antibatteryism")
    await create(client, id="none", title="Handbook", body=body)
    assert await found(client, "battery") == ["title", "tag", "body", "part"]
    assert await found(client, "BATTERIES charging") == ["body"]
    assert await found(client, "handbook battery") == ["title", "tag"]  # all its words, wherever each stands
    assert await found(client, "battery", limit=2) == ["title", "tag"]
    assert await found(client, "the") == ["body"]  # no word to search for, but a part of the text


async def test_any_part_is_found_whatever_its_case(service: Service, client):
    await create(client, id="a", title="Reaction wheel rw1_speed_rpm", body="ÄRGER mit ΣΕΛΉΝΗ")
    for q in ("rw1_sp", "EED_RPM", "ction Wh", "ärger", "σελή", "n w", "1"):
        assert await found(client, q) == ["a"], q
    await create(client, id="b", title="Heater", tags=["CDHS"], body="x")
    assert await found(client, "cdh") == ["b"]
    assert await found(client, "b") == []


HOSTILE = [
    "%", "_", "\\", "\\%", "%_%", "'", "''; DROP TABLE app.document; --", '"', '"a b"', "a & b", "a | b", "!", "!a",
    "a:*", ":*", "&", "|", "(", ")", "<->", "a <-> b", "-a", "a -b", "--", "or", "a OR b", "$1", "$$", "{}", "[a-z]",
    ".*", "^", "?", "*", "+", "a\tb", "a\nb", " ", "🛰", "\u202e", "\ufeff", "é", "e\u0301", "%s", "{0}", "\\x00",
    "E'\\0'",
]  # fmt: skip


LETTERS = "ab1% _ΣςİßẞÅK🛰\n"


async def test_short_parts_are_found_as_long_ones_are(service: Service, client, database):
    """Each search for one, two or three characters against what LIKE alone finds."""
    randomness = random.Random(1)  # noqa: S311 - the same for everyone
    for number in range(30):
        await create(client, id=f"d{number}", title="-", body="".join(randomness.choices(LETTERS, k=12)))
    like = "SELECT id FROM app.document WHERE plain LIKE lower($1 COLLATE pg_catalog.pg_c_utf8)"
    for length in (1, 1, 2, 3):
        for _ in range(15):
            text = "".join(randomness.choices(LETTERS, k=length))
            expected = {row["id"] for row in await database.fetch(like, documents.pattern(text))}
            assert expected <= set(await found(client, text, limit=50)), text


async def test_every_sign_is_an_ordinary_one(service: Service, client):
    await create(client, id="plain", title="Zzz", body="qqq")
    for number, text in enumerate(HOSTILE):
        await create(client, id=f"h{number}", title="Zzz", body=f"qq{text}qq")
    for number, text in enumerate(HOSTILE):
        names = await found(client, text, limit=50)
        assert f"h{number}" in names, text
        expected = {f"h{other}" for other, holder in enumerate(HOSTILE) if text.lower() in f"qq{holder}qq".lower()}
        if not any(character.isalnum() for character in text):  # no word in it: that part is found, and nothing else
            assert set(names) == expected, text


@pytest.mark.shared_service
@pytest.mark.parametrize(
    ("request_", "path"),
    [
        ({"q": ""}, "q"),
        ({"q": "x" * 257}, "q"),
        ({"q": "\0"}, "q"),
        ({"q": "a", "limit": 0}, "limit"),
        ({"q": "a", "limit": 51}, "limit"),
        ({"q": "a", "spacecraftId": "*"}, "spacecraftId"),
        ({"q": "a", "cursor": "x"}, "cursor"),
    ],
)
async def test_a_search_that_breaks_a_rule_is_refused(service: Service, client, request_, path):
    error = (await ask(client, "docs.search", **request_))["error"]
    assert (error["code"], error["details"][0]["path"]) == ("invalid_request", path)


async def test_searches_of_the_greatest_length_are_answered(service: Service, client):
    await create(client)
    for q in ("x" * 256, "🛰" * 256, "a " * 128, "a-" * 128, "'" * 256, "%" * 256, "\\" * 256):
        assert await found(client, q) == []


async def test_a_search_may_be_about_one_spacecraft_and_one_category(service: Service, client):
    for number in range(4):
        spacecraft_id, category = f"SC-{number % 2}", ("manual", "log")[number // 2]
        await create(client, id=f"d{number}", spacecraftId=spacecraft_id, category=category)
    await create(client, id="fleet")
    assert len(await found(client, "power")) == 5
    assert set(await found(client, "power", spacecraftId="SC-1")) == {"d1", "d3"}
    assert await found(client, "power", spacecraftId="SC-1", category="log") == ["d3"]
    assert await found(client, "power", category="none") == []


async def test_a_search_may_be_about_one_tag(service: Service, client):
    await create(client, id="d1", tags=["eps", "ops"])
    await create(client, id="d2", tags=["EPS"])
    await create(client, id="d3", tags=[])
    assert await found(client, "power", tag="eps") == ["d1"]
    reply = await client.request("missionops.docs.search", b'{"tag": "EPS"}', timeout=5)
    assert [document["id"] for document in json.loads(reply.data)] == ["d2"]


async def test_an_answer_stops_where_nats_would(service: Service, client):
    for number in range(5):
        await create(client, id=f"d{number}", body="power " * 50_000)
    reply = await client.request("missionops.docs.search", b'{"q":"power"}', timeout=6)
    assert len(json.loads(reply.data)) == 2
    assert len(reply.data) <= 900_000
    assert "Missionops-Next-Cursor" not in (reply.headers or {})


async def _fill(database: "asyncpg.Connection[asyncpg.Record]", count: int) -> None:
    await database.execute(
        """
        INSERT INTO app.document (id, title, category, tags, body, published_at)
        SELECT 'doc_' || n, 'Note ' || md5('title' || n), 'general', ARRAY['ops', 'tag' || n % 50],
               'satellite ' || (SELECT string_agg(md5(n || ' ' || k), ' ') FROM generate_series(1, 6) AS k), now()
        FROM generate_series(1, $1::integer) AS n
        """,
        count,
    )
    await database.execute("VACUUM ANALYZE app.document")


async def test_all_ways_of_searching_use_their_indexes(database):
    await _fill(database, 3_000)
    part = await database.fetchval("SELECT substr(body, 60, 12) FROM app.document WHERE id = 'doc_777'")
    await database.execute("UPDATE app.document SET body = body || ' 5\u03a9' WHERE id = 'doc_888'")
    for queries, text, kind, name in (
        (documents.SEARCH, part, "part", "doc_777"),
        (documents.SHORT_SEARCH, "5\u03a9", "pair", "doc_888"),
    ):
        async with database.transaction():
            await documents.search(database, text, None, None, 10)  # with its planner's settings
            filled = [_filled_in(query, text) for query in queries]
            plan = "\n".join([row[0] for query in filled for row in await database.fetch(f"EXPLAIN {query}")])
        assert "Seq Scan" not in plan
        for index in ("head_word", "word", f"head_{kind}", kind):
            assert f"Bitmap Index Scan on document_by_{index}" in plan
        assert [found.id for found in await documents.search(database, text, None, None, 10)] == [name]


def _filled_in(query: str, text: str) -> str:
    """A search with its arguments in their places: EXPLAIN takes none."""
    values = (f"'{text}'", f"'{documents.pattern(text)}'", "NULL", "NULL", "10", "NULL", "NULL")
    for number, value in enumerate(values, start=1):
        query = query.replace(f"${number}", value)
    return query


@pytest.mark.skipif("MEASURE" not in os.environ, reason="measures: MEASURE=1 shows the times")
@pytest.mark.timeout(1_800)
async def test_measure_searching_100_000_documents(database):
    await _fill(database, 100_000)
    part = await database.fetchval("SELECT substr(body, 60, 12) FROM app.document WHERE id = 'doc_777'")
    for q in (
        "satellite",
        "tag7",
        part,
        "atellit",
        "nowhere to be found",
        "%",
        "zq",
        "e",
        "5 v",
        "b-c",
        uuid.uuid4().hex,
    ):
        start = time.perf_counter()
        async with database.transaction():
            count = len(await documents.search(database, q, None, None, 10))
        print(f"{q!r:40} {count:3} found in {1_000 * (time.perf_counter() - start):8.1f} ms")  # noqa: T201 - what it is for
