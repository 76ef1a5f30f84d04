"""The OpenAPI document: valid, whole, and true of the service."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as profile
from hypothesis.errors import Unsatisfiable
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.result import Ok

from missionops.app import Service
from missionops.operations.registry import OPERATIONS

EXAMPLES = 5
OTHERS = {"/openapi.json", "/asyncapi.json", "/asyncapi", "/metrics", "/health/live"}
"""Paths that take nothing and say the same to everyone."""

CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
)


@pytest.fixture
async def document(service: Service) -> Any:
    async with httpx.AsyncClient(base_url=service.http_url) as http:
        return (await http.get("/openapi.json")).json()


def described(document: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


@pytest.mark.shared_service
async def test_it_is_valid_openapi(document):
    OpenAPIV31SpecValidator(document).validate()
    assert document["openapi"].startswith("3.1.")


@pytest.mark.shared_service
async def test_every_route_is_in_it(document):
    routes = {(method, path) for method, path, _ in described(document)}
    assert routes >= {(route.method, route.path) for operation in OPERATIONS for route in operation.routes}
    assert routes >= {
        ("POST", "/telemetry"),
        ("POST", "/telemetry/batch"),
        ("GET", "/health/live"),
        ("GET", "/health/ready"),
        ("GET", "/metrics"),
        ("GET", "/openapi.json"),
        ("GET", "/asyncapi.json"),
        ("GET", "/asyncapi"),
    }


@pytest.mark.shared_service
async def test_operations_have_ids_of_their_own(document):
    ids = [operation["operationId"] for _, _, operation in described(document)]
    assert len(ids) == len(set(ids))


@pytest.mark.shared_service
async def test_parameters_tell_their_bounds(document):
    def limit(path: str) -> Any:
        return next(
            field["schema"] for field in document["paths"][path]["get"]["parameters"] if field["name"] == "limit"
        )

    assert limit("/telemetry") == {"type": "integer", "minimum": 1, "maximum": 1000, "default": 20}
    assert limit("/docs/search") == {"type": "integer", "minimum": 1, "maximum": 50, "default": 10}


@pytest.mark.shared_service
async def test_every_status_is_told(document):
    assert set(document["paths"]["/telemetry"]["post"]["responses"]) == {
        "201", "202", "400", "408", "413", "415", "500", "503",
    }  # fmt: skip
    assert set(document["paths"]["/docs"]["post"]["responses"]) == {
        "201", "400", "408", "409", "413", "415", "500", "503",
    }  # fmt: skip
    assert set(document["paths"]["/spacecraft/{spacecraftId}"]["get"]["responses"]) == {
        "200", "400", "404", "500", "503",
    }  # fmt: skip


async def test_the_service_is_as_it_says(service: Service):
    """Requests made from the document, good and bad: no 5xx, and each answer as described."""
    await asyncio.to_thread(walk, f"{service.http_url}/openapi.json")


def walk(url: str) -> None:
    load_all_checks()
    checks = CHECKS.get_by_names(CHECKED)
    walked = 0
    for found in schemathesis.openapi.from_url(url).get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if operation.path in OTHERS:
            continue
        for mode in schemathesis.GenerationMode:
            with contextlib.suppress(Unsatisfiable):  # nothing that it takes can be wrong
                fuzz(operation.as_strategy(generation_mode=mode), checks)
        walked += 1
    assert walked >= len(OPERATIONS)


def fuzz(strategy: Any, checks: Any) -> None:
    @given(case=strategy)
    @profile(
        max_examples=EXAMPLES,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        case.call_and_validate(checks=checks)

    ask()
