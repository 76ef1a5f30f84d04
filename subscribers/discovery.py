"""NATS service discovery (ADR-32): `$SRV.PING|INFO|STATS`, answered by every instance for itself.

`nats.micro` would serve the requests, too, and counts as errors only those that a handler raised; here FastStream
serves them, and what its middlewares counted is told. The messages are those of `nats.micro`.
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from faststream import AckPolicy
from faststream.nats import NatsMessage, NatsResponse, NatsRouter
from nats.micro.service import EndpointInfo, EndpointStats, ServiceInfo, ServicePing, ServiceStats

from missionops import __version__
from missionops.operations.operation import Operation
from missionops.operations.registry import OPERATIONS
from subscribers.middlewares import JSON, LogRequests, Statistics
from subscribers.requests import QUEUE

_NAME = "missionops"
_DESCRIPTION = "Spacecraft telemetry"


class DiscoveryRouter(NatsRouter):
    """FastStream subscribers that say who is there, what can be asked for, and what was."""

    def __init__(self, statistics: Statistics) -> None:
        super().__init__(
            middlewares=(LogRequests,),  # FastStream publishes no answer where there is no reply subject
            decoder=_undecoded,
            ack_policy=AckPolicy.MANUAL,
        )
        self._statistics = statistics
        self._identity: Mapping[str, Any] = {"id": uuid.uuid4().hex, "name": _NAME, "version": __version__}
        self._started = datetime.now(UTC)
        self._endpoints = [
            EndpointInfo(_endpoint(operation), operation.subject, QUEUE, _schemas(operation))
            for operation in OPERATIONS
        ]
        for verb, describe in (("PING", self._ping), ("INFO", self._info), ("STATS", self._stats)):
            for whom in ("", f".{_NAME}", f".{_NAME}.{self._identity['id']}"):
                self.subscriber(f"$SRV.{verb}{whom}", title=f"{verb}{whom}", include_in_schema=False)(describe)

    async def _ping(self, _: NatsMessage) -> NatsResponse:
        return _response(ServicePing(**self._identity))

    async def _info(self, _: NatsMessage) -> NatsResponse:
        return _response(ServiceInfo(**self._identity, description=_DESCRIPTION, endpoints=self._endpoints))

    async def _stats(self, _: NatsMessage) -> NatsResponse:
        endpoints = [self._stats_of(operation) for operation in OPERATIONS]
        return _response(ServiceStats(**self._identity, started=self._started, endpoints=endpoints))

    def _stats_of(self, operation: Operation) -> EndpointStats:
        counts = self._statistics.of(operation)
        return EndpointStats(
            name=_endpoint(operation),
            subject=operation.subject,
            queue_group=QUEUE,
            num_requests=counts.requests,
            num_errors=counts.errors,
            last_error=counts.last_error,
            processing_time=counts.nanoseconds,
            average_processing_time=counts.nanoseconds // (counts.requests or 1),
        )


def _endpoint(operation: Operation) -> str:
    return operation.name.replace(".", "-")


def _schemas(operation: Operation) -> dict[str, str]:
    """What `nats service info` shows: the request and the reply as JSON Schema."""
    request = operation.request or dict
    return {
        "summary": operation.summary,
        "request": msgspec.json.encode(msgspec.json.schema(request)).decode(),
        "reply": msgspec.json.encode(msgspec.json.schema(operation.reply)).decode(),
    }


def _response(said: ServicePing | ServiceInfo | ServiceStats) -> NatsResponse:
    return NatsResponse(msgspec.json.encode(said.to_dict()), headers=JSON)


async def _undecoded(message: NatsMessage) -> NatsMessage:
    """Whatever is in it, the question is the subject."""
    return message
