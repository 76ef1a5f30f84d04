"""The AsyncAPI document and its page: whole, sound, and alone."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from openapi_schema_validator import OAS31Validator

from missionops.app import Service
from missionops.http.docs import asyncapi
from missionops.operations.registry import OPERATIONS
from tests.wait import PATIENCE

STREAMS = {
    "telemetry.{spacecraftId}": "receive",
    "anomalies.{spacecraftId}": "send",
    "events.{spacecraftId}": "send",
    "deadletters.telemetry.{spacecraftId}": "send",
}


@pytest.fixture(scope="module")
def document() -> Any:
    return msgspec.json.decode(msgspec.json.encode(asyncapi.document(OPERATIONS)))


def channel(document: Any, operation: Any) -> Any:
    return resolved(document, operation["channel"]["$ref"])


def resolved(document: Any, reference: str) -> Any:
    found = document
    for key in reference.removeprefix("#/").split("/"):
        found = found[key]
    return found


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for inner in part.values():
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)


def payload_problems(document: Any, payload: Any, value: Any) -> list[str]:
    whole = {**payload, "components": document["components"]}
    return [error.message for error in OAS31Validator(whole).iter_errors(value)]


def test_every_subject_of_the_contract_is_there(document):
    subjects = {
        channel(document, operation)["address"]: operation["action"] for operation in document["operations"].values()
    }
    asked = {operation.subject.replace("*", "{spacecraftId}"): "receive" for operation in OPERATIONS}
    assert subjects == STREAMS | asked


def test_every_reference_leads_somewhere(document):
    found = set(references(document))
    assert found
    for reference in found:
        assert resolved(document, reference) is not None, reference


def test_the_parts_that_asyncapi_needs_are_there(document):
    assert document["asyncapi"] == "3.0.0"
    assert document["info"]["title"]
    assert document["info"]["version"]
    for operation in document["operations"].values():
        assert operation["action"] in {"send", "receive"}
        for reference in operation.get("messages", []):
            assert reference["$ref"].startswith(operation["channel"]["$ref"] + "/messages/")
    for found in document["channels"].values():
        named = set(re.findall(r"\{(\w+)}", found["address"] or ""))
        assert set(found.get("parameters", {})) == named
        assert found["messages"]


def test_every_request_has_its_reply(document):
    for operation in OPERATIONS:
        reply = document["operations"][operation.name]["reply"]
        inbox = resolved(document, reply["channel"]["$ref"])
        assert inbox["address"] is None
        assert set(inbox["messages"]) == {"reply", "error"}
        assert [reference["$ref"].rpartition("/")[2] for reference in reply["messages"]] == ["reply", "error"]


def test_telemetry_is_one_snapshot_or_an_array(document):
    messages = document["channels"]["telemetry"]["messages"]
    snapshot = {"timestamp": "2025-01-01T00:00:00Z", "parameters": {"temp": 42, "mode": "CRUISE", "on": True}}
    for one, many, kind in (
        ("snapshot", "snapshots", "application/json"),
        ("snapshotMessagePack", "snapshotsMessagePack", "application/msgpack"),
    ):
        assert messages[one]["contentType"] == messages[many]["contentType"] == kind
        assert not payload_problems(document, messages[one]["payload"], snapshot)
        assert not payload_problems(document, messages[many]["payload"], [snapshot, snapshot])
        assert payload_problems(document, messages[one]["payload"], [snapshot])
        assert payload_problems(document, messages[many]["payload"], snapshot)
        assert payload_problems(document, messages[one]["payload"], {"timestamp": "2025-01-01T00:00:00Z"})


def test_a_dead_letter_tells_its_headers(document):
    headers = document["channels"]["deadLetters"]["messages"]["deadLetter"]["headers"]
    assert set(headers["required"]) == {
        "Missionops-Error-Code", "Missionops-Error", "Missionops-Stream-Sequence",
    }  # fmt: skip
    assert {"Missionops-Item", "Missionops-Truncated", "Missionops-Original-Msg-Id"} < set(headers["properties"])


async def test_what_goes_out_is_as_described(service: Service, client, document):
    """An anomaly, an event, and a reply, as they are, against their schemas."""
    told = [await client.subscribe(subject) for subject in ("anomalies.*", "events.*")]
    config = b'{"parameters":{"temp":{"warnHigh":45}}}'
    reply = await client.request("missionops.config.set.SC-001", config, timeout=6)
    await client.publish("telemetry.SC-001", b'{"timestamp":"2025-01-01T00:00:00Z","parameters":{"temp":46}}')
    anomaly, event = [await subscription.next_msg(PATIENCE) for subscription in told]
    channels = document["channels"]
    for message, described in (
        (reply, channels["config.set.reply"]["messages"]["reply"]),
        (anomaly, channels["anomalies"]["messages"]["anomaly"]),
        (event, channels["events"]["messages"]["event"]),
    ):
        assert not payload_problems(document, described["payload"], msgspec.json.decode(message.data))
    refused = await client.request("missionops.config.set.SC-001", b"[]", timeout=6)
    described = channels["config.set.reply"]["messages"]["error"]
    error = resolved(document, described["$ref"])
    assert not payload_problems(document, error["payload"], msgspec.json.decode(refused.data))
    assert set(error["headers"]["required"]) <= set(refused.headers)


async def test_it_is_served_as_json_and_as_a_page_that_loads_nothing(service: Service, document):
    async with httpx.AsyncClient(base_url=service.http_url) as http:
        assert (await http.get("/asyncapi.json")).json() == document
        page = await http.get("/asyncapi")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert not re.search(
        r"(?i)<(script|link|img|iframe|form|object|embed|base)\b|\bsrc=|@import|url\(|\bon\w+=", page.text
    )
    assert set(re.findall(r'href="([^"#]+)', page.text)) == {"/asyncapi.json", "/openapi.json"}
    for operation in OPERATIONS:
        assert operation.subject.replace("*", "{spacecraftId}") in page.text
    anchors = set(re.findall(r'id="([^"]+)"', page.text))
    assert set(re.findall(r'href="#([^"]+)"', page.text)) <= anchors
