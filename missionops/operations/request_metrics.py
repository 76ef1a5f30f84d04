"""Metrics of requests, over NATS and HTTP: how many, with which status, and how long they took."""

from typing import Literal, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Histogram

from missionops.operations.registry import OPERATIONS

Interface = Literal["nats", "http"]

_SECOND_BUCKETS = (0.005, 0.025, 0.1, 0.5, 1, 5)


class OperationCounts(NamedTuple):
    """The requests of one operation over one interface since the start of this process."""

    requests: int = 0
    errors: int = 0
    seconds: float = 0.0
    """From a request's arrival to its response, over all of them."""


class RequestMetrics:
    """Counts of requests; `registry` is what `/metrics` renders."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        labels = ["interface", "operation"]
        self._requests = Counter(
            "missionops_requests", "Requests answered, by status; 200 over NATS where there was no error.",
            [*labels, "status"], registry=registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "missionops_request_seconds", "Time from a request's arrival to its response.", labels,
            registry=registry, buckets=_SECOND_BUCKETS,
        )  # fmt: skip
        for operation in OPERATIONS:  # with 0 from the start, so that a query sees the first request as a rise
            self._requests.labels("nats", operation.name, "200")

    def count(self, interface: Interface, operation: str, status: int, seconds: float) -> None:
        """Count a request that is answered."""
        self._requests.labels(interface, operation, str(status)).inc()
        self._seconds.labels(interface, operation).observe(seconds)

    def by_operation(self, interface: Interface) -> dict[str, OperationCounts]:
        """The counts of every operation that was requested over an interface."""
        found: dict[str, OperationCounts] = {}
        for sample in self._requests.collect()[0].samples:  # type: ignore[index] # a list, though declared as an iterable
            labels, value = sample.labels, int(sample.value)
            if not sample.name.endswith("_total") or labels["interface"] != interface:
                continue
            counts = found.get(labels["operation"], OperationCounts())
            errors = counts.errors + (value if labels["status"] >= "400" else 0)
            found[labels["operation"]] = counts._replace(requests=counts.requests + value, errors=errors)
        for sample in self._seconds.collect()[0].samples:  # type: ignore[index] # a list, too
            if sample.name.endswith("_sum") and sample.labels["interface"] == interface:
                name = sample.labels["operation"]
                found[name] = found[name]._replace(seconds=sample.value)
        return found
