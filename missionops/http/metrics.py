"""Metrics in Prometheus' text format: what this process counted, and where it stands."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import get_args

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from missionops.broker.streams import ANOMALIES, DEADLETTERS, EVENTS
from missionops.domain.anomaly import Severity
from missionops.ingest.status import Histogram, IngestStatus, Role
from missionops.operations.health import Health
from missionops.wire.fault import Code

MEDIA_TYPE = CONTENT_TYPE_LATEST

_ROLES = get_args(Role)
_CODES = get_args(Code)
_STREAMS = (ANOMALIES, DEADLETTERS, EVENTS)


def text(progress: IngestStatus, health: Health) -> bytes:
    """All metrics, as they are now."""
    registry = CollectorRegistry()  # of this moment: nothing is kept between two questions
    registry.register(_Now(progress, health))
    return generate_latest(registry)


class _Now(Collector):
    def __init__(self, progress: IngestStatus, health: Health) -> None:
        self._progress = progress
        self._health = health

    def collect(self) -> Iterator[Metric]:
        """Every metric."""
        yield InfoMetricFamily("missionops", "The service.", {"version": self._health.version})
        yield from self._counted()
        yield from self._now()

    def _counted(self) -> Iterator[Metric]:
        progress = self._progress
        yield _counter("snapshots_stored", "Snapshots stored.", progress.stored)
        yield _counter("snapshots_duplicate", "Snapshots that were stored already.", progress.duplicates)
        yield _counter("messages_lost", "Messages the stream gave up before they were read.", progress.lost)
        yield _counter("batches", "Batches stored.", progress.batches)
        yield _histogram("batch_messages", "Messages of a batch.", progress.batch_messages)
        yield _histogram(
            "batch_seconds", "Time of a batch, from its decoding to its acknowledgement.", progress.batch_seconds
        )
        yield _counter("interruptions", "Times that the work began again from the database.", progress.interruptions)
        yield _counters(
            "dead_letters", "Dead letters, by what is wrong with them.", "code", _CODES, progress.dead_letters
        )
        yield _counters("anomalies", "Anomalies found, by severity.", "severity", Severity, progress.anomalies)
        text = "Times that a stream refused what was published, or did not answer."
        yield _counters("publish_failures", text, "stream", _STREAMS, progress.publish_failures)
        outgoing = progress.outgoing
        text = "Messages that a stream dropped for its size, or that were purged for it."
        yield _counters("stream_dropped", text, "stream", _STREAMS, {name: outgoing[name].dropped for name in _STREAMS})
        text = "Messages purged from a stream that was nearly full, of the spacecraft that held the most."
        yield _counters("stream_purged", text, "stream", _STREAMS, {name: outgoing[name].purged for name in _STREAMS})

    def _now(self) -> Iterator[Metric]:
        progress, health = self._progress, self._health
        yield _gauge("ready", "Whether telemetry is handled.", health.status == "ready")
        yield _gauge("nats_up", "Whether NATS is connected.", health.nats == "up")
        yield _gauge("database_up", "Whether PostgreSQL answers.", health.database == "up")
        if health.ingest.lag is not None:
            yield _gauge("lag_messages", "Messages in the stream that are not handled yet.", health.ingest.lag)
        if health.ingest.lag_seconds is not None:
            yield _gauge("lag_seconds", "For how long the oldest of them has waited.", health.ingest.lag_seconds)
        yield _gauge("sequence", "The last message of the stream that is handled.", progress.sequence)
        yield _gauge("epoch", "The count of owners of the stream when this instance last was one.", progress.epoch)
        yield _gauge(
            "lease_seconds", "For how long this instance owns the stream if it does not renew.", progress.lease
        )
        size = GaugeMetricFamily("missionops_stream_bytes", "What a stream holds, in bytes.", labels=["stream"])
        most = GaugeMetricFamily("missionops_stream_max_bytes", "What it may hold; 0 for all.", labels=["stream"])
        for name, stream in health.streams.items():
            size.add_metric([name], stream.bytes)
            most.add_metric([name], stream.max_bytes or 0)
        yield from (size, most)
        roles = GaugeMetricFamily("missionops_role", "What this instance does, as 1.", labels=["role"])
        for role in _ROLES:
            roles.add_metric([role], progress.role == role)
        yield roles


def _counter(name: str, text: str, value: int) -> Metric:
    return CounterMetricFamily(f"missionops_{name}", text, value)


def _counters(name: str, text: str, label: str, keys: Iterable[str], values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"missionops_{name}", text, labels=[label])
    for key in keys:  # from the start, so that the first one is seen as a rise
        family.add_metric([key], values.get(key, 0))
    return family


def _histogram(name: str, text: str, values: Histogram) -> Metric:
    bounds = map(floatToGoString, (*values.bounds, float("inf")))
    buckets = list(zip(bounds, itertools.accumulate(values.counts), strict=True))
    return HistogramMetricFamily(f"missionops_{name}", text, buckets, sum_value=values.sum)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"missionops_{name}", text, value)
