"""Whatever comes in is answered, and refused as the caller's fault; nobody else notices."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from nats.aio.client import Client

from missionops.app import Service
from missionops.http.routes import OFFERED
from missionops.operations.operation import Operation
from missionops.operations.registry import OPERATIONS

pytestmark = pytest.mark.shared_service

AT = "2025-01-01T00:00:00Z"
REFUSALS = {400, 404, 409, 413}
OVER_HTTP = REFUSALS | {405, 415}

IDS = ("SC-001", "x" * 64, "x" * 65, "-", "_fleet", "é", "a$b", "%00", "null", "🛰")
LONG = 120_000
ODD = (
    b"", b" ", b"\0", b"null", b"[]", b'""', b"{", b"}", b"{}{}", b'{"', b"\xff\xfe", b"\xef\xbb\xbf{}",
    b"NaN", b"1e400",
    b"[" * LONG, b'{"a":' * LONG, b"[" * LONG + b"]" * LONG,
    b'{"metadata":' + b'{"a":' * LONG + b"1" + b"}" * LONG + b"}",
    b"9" * LONG, b'{"limit":%b}' % (b"9" * LONG), b'{"limit":1e999999999}', b'{"limit":-0.0}', b'{"limit":1.5}',
    b'{"q":"\\ud800"}', b'{"q":"\\udfff\\ud800"}', b'{"q":"\xed\xa0\x80"}', b'{"q":"\\u0000"}', b'{"\\u0000":1}',
    b'{"cursor":"%b"}' % (b"A" * LONG), b'{"cursor":"\\ud800"}', b'{"cursor":"W10="}', b'{"cursor":"\xc3\xa9"}',
    b'{"from":"%b","to":"%b"}' % ((b"2" * LONG,) * 2), b'{"parameters":{"a":{"warnHigh":%b}}}' % (b"9" * LONG),
    b'{"parameters":{"a":{"warnHigh":NaN}}}', b'{"parameters":{"":{}}}', b'{"parameters":{"\\ud800":{}}}',
    b'{"a":1,"a":2}', b'{"snapshots":[{"parameters":{"a":\xff}}]}', b'{"snapshots":[' + b"[" * LONG + b"]}",
    b'{"documentId":"\\ud800"}', b'{"documentId":"search"}', b'{"tags":["\\ud800"],"title":"t","body":"\\ud800"}',
)  # fmt: skip

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**400), max_value=10**400)
    | st.floats()
    | st.text(alphabet=st.characters(), max_size=20)  # half surrogate pairs and U+0000 among them
    | st.sampled_from(["", AT, "SC-001", "2025-01-01T00:00:00", "INFO", "LOW", "W10=", "x" * 5_000])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)


def fields(kind: type[msgspec.Struct] | None) -> st.SearchStrategy[Any]:
    """What looks like a request: some of its fields, and others, with anything in them."""
    names = [field.encode_name for field in msgspec.structs.fields(kind)] if kind else ["parameters", "mission"]
    return st.dictionaries(st.sampled_from([*names, "spacecraftId", "snapshots", "timestamp", "x"]), values, max_size=5)


def written(value: Any) -> bytes:
    """As JSON, or nearly: NaN and half surrogate pairs as they are."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def bodies(kind: type[msgspec.Struct] | None) -> st.SearchStrategy[bytes]:
    said = fields(kind) | values
    return st.binary(max_size=100) | said.map(written) | said.map(lambda value: json.dumps(value).encode())


def each_of(strategy: st.SearchStrategy[Any], examples: int) -> Callable[[Callable[[Any], None]], Callable[[], None]]:
    """The test for each of some examples, the same in every run."""

    def decorate(test: Callable[[Any], None]) -> Callable[[], None]:
        settings = profile(
            max_examples=examples, database=None, derandomize=True, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        return settings(given(strategy)(test))

    return decorate


class Asker(NamedTuple):
    """A NATS client, for a thread beside its loop."""

    client: Client
    loop: asyncio.AbstractEventLoop

    def ask(self, subject: str, body: bytes, headers: Mapping[str, str] | None = None) -> int:
        """The status of the answer, which is looked at as far as it is the same for all."""
        asking = self.client.request(subject, body, timeout=6, headers=dict(headers) if headers else None)
        reply = asyncio.run_coroutine_threadsafe(asking, self.loop).result()
        status = int((reply.headers or {}).get("Nats-Service-Error-Code", 200))
        check(status, json.loads(reply.data))
        return status


def check(status: int, body: Any) -> None:
    if status != 200:
        assert list(body) == ["error"]
        assert set(body["error"]) == {"code", "message", "details"}
        assert all(set(detail) == {"path", "message"} for detail in body["error"]["details"])


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
async def test_any_body_is_answered_over_nats(service: Service, client: Client, operation: Operation):
    asker = Asker(client, asyncio.get_running_loop())

    @each_of(bodies(operation.request), 100)
    def ask(body: bytes) -> None:
        assert asker.ask(operation.subject.replace("*", "SC-001"), body) in REFUSALS | {200}

    def ask_all() -> None:
        ask()
        for body in ODD:
            assert asker.ask(operation.subject.replace("*", "SC-001"), body) in REFUSALS | {200}, body[:50]
        if operation.about_spacecraft:
            for spacecraft_id in IDS:
                assert asker.ask(operation.subject.replace("*", spacecraft_id), b"{}") in REFUSALS | {200}
        for source in ("", "é", "x" * 129, "\x7f"):
            subject = operation.subject.replace("*", "SC-001")
            assert asker.ask(subject, b"{}", {"Missionops-Source": source}) in REFUSALS | {200}

    await asyncio.to_thread(ask_all)
    assert client.is_connected
    fine = await client.request("missionops.spacecraft.list", b'{"limit":1}', timeout=6)
    assert fine.headers
    assert "Nats-Service-Error-Code" not in fine.headers


@pytest.mark.parametrize(
    ("operation", "path", "method"),
    [(operation, route.path, route.method) for operation, route in OFFERED],
    ids=lambda part: part.name if isinstance(part, Operation) else "",
)
async def test_anything_is_answered_over_http(service: Service, operation: Operation, path: str, method: str):
    def ask_all() -> None:
        with httpx.Client(base_url=service.http_url, timeout=10) as http:

            def send(**given: Any) -> None:
                place = path.replace("{spacecraftId}", "SC-001").replace("{documentId}", "doc")
                reply = http.request(method, place, **given)
                assert reply.status_code in OVER_HTTP | {200, 201}, given
                check(200 if reply.is_success else reply.status_code, reply.json())

            @each_of(bodies(operation.request), 50)
            def send_body(body: bytes) -> None:
                send(content=body, headers={"content-type": "application/json"})

            @each_of(fields(operation.request), 50)
            def send_query(query: dict[str, Any]) -> None:
                send(params={name: json.dumps(value) for name, value in query.items()})

            send_query()
            if method != "GET":
                send_body()
                for body in ODD:
                    send(content=body, headers={"content-type": "application/json"})
            assert http.get("/spacecraft?limit=1").status_code == 200

    await asyncio.to_thread(ask_all)


@pytest.mark.parametrize(
    ("subject", "body", "message"),
    [
        ("alarms.search", {"minSeverity": "high"}, "minSeverity must be one of LOW, MEDIUM, HIGH, CRITICAL"),
        ("alarms.list.SC-001", {"check": "limit"}, "check must be one of LIMIT, STATE, CHANGE, STALE, SILENT"),
        ("events.list.SC-001", {"types": ["INFO", "x"]}, "types.1 must be one of ANOMALY, CONTACT_LOST, MODE_CHANGE, "),
        ("telemetry.latest.SC-001", {"parameters": []}, "parameters must be an array of at least 1 item"),
        ("alarms.acknowledge.SC-001", {"ids": ["x"] * 1001}, "ids must be an array of at most 1000 items"),
        ("docs.search", {"q": ""}, "q must be a text of at least 1 character"),
        ("docs.search", {"q": "x" * 257}, "q must be a text of at most 256 characters"),
    ],
)
async def test_a_refusal_says_what_to_give(service: Service, client: Client, subject: str, body: Any, message: str):
    reply = await client.request(f"missionops.{subject}", json.dumps(body).encode(), timeout=6)
    error = json.loads(reply.data)["error"]
    assert error["message"].startswith(message)
    assert error["message"] == " ".join(error["details"][0].values())
