"""NATS service discovery (ADR-32): `$SRV.PING|INFO|STATS`, answered by every instance for itself.

FastStream serves the requests, and the counts are those of its middlewares. `nats.micro` would serve the requests
itself, and would count as errors only those that a handler raised. The messages have the types of `nats.micro`.
"""

import functools
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
from missionops.operations.request_metrics import OperationCounts
from subscribers.middlewares import JSON, LogRequests, Statistics, undecoded
from subscribers.requests import QUEUE

_NAME = "missionops"
_DESCRIPTION = "Spacecraft telemetry"


class DiscoveryRouter(NatsRouter):
    """FastStream subscribers that answer with this instance, its operations and their counts."""

    def __init__(self, statistics: Statistics) -> None:
        super().__init__(
            middlewares=(LogRequests,),  # FastStream publishes no answer where there is no reply subject
            decoder=undecoded,  # the subject alone is the request
            ack_policy=AckPolicy.MANUAL,
        )
        self._statistics = statistics
        self._identity: Mapping[str, Any] = {"id": uuid.uuid4().hex, "name": _NAME, "version": __version__}
        self._started = datetime.now(UTC)
        for verb, describe in (("PING", self.ping), ("INFO", self.info), ("STATS", self.stats)):
            for suffix in ("", f".{_NAME}", f".{_NAME}.{self._identity['id']}"):
                self.subscriber(f"$SRV.{verb}{suffix}", title=f"{verb}{suffix}", include_in_schema=False)(describe)

    async def ping(self, _: NatsMessage) -> NatsResponse:
        """Which instance this is."""
        return _response(ServicePing(**self._identity))

    async def info(self, _: NatsMessage) -> NatsResponse:
        """The operations, with their schemas."""
        return _response(ServiceInfo(**self._identity, description=_DESCRIPTION, endpoints=_endpoints()))

    async def stats(self, _: NatsMessage) -> NatsResponse:
        """How many requests this instance has answered, and how many with an error."""
        counted = self._statistics.metrics.by_operation("nats")
        endpoints = []
        for operation in OPERATIONS:
            counts = counted.get(operation.name, OperationCounts())
            nanoseconds = int(counts.seconds * 1e9)
            endpoints.append(
                EndpointStats(
                    name=_endpoint_name(operation),
                    subject=operation.subject,
                    queue_group=QUEUE,
                    num_requests=counts.requests,
                    num_errors=counts.errors,
                    last_error=self._statistics.last_errors.get(operation.name),
                    processing_time=nanoseconds,
                    average_processing_time=nanoseconds // (counts.requests or 1),
                )
            )
        return _response(ServiceStats(**self._identity, started=self._started, endpoints=endpoints))


@functools.cache  # made when somebody asks: it takes longer than all else that a service does when it starts
def _endpoints() -> list[EndpointInfo]:
    return [
        EndpointInfo(
            _endpoint_name(operation),
            operation.subject,
            QUEUE,
            {  # what `nats service info` shows
                "summary": operation.summary,
                "request": msgspec.json.encode(msgspec.json.schema(operation.request or dict)).decode(),
                "reply": msgspec.json.encode(msgspec.json.schema(operation.reply)).decode(),
            },
        )
        for operation in OPERATIONS
    ]


def _endpoint_name(operation: Operation) -> str:
    return operation.name.replace(".", "-")


def _response(message: ServicePing | ServiceInfo | ServiceStats) -> NatsResponse:
    return NatsResponse(msgspec.json.encode(message.to_dict()), headers=JSON)
