"""The peer: Pathway, a stream engine in Rust, used from Python as its documentation would have the same job done.

    python tests/benchmarks/stream_engine.py URL STREAM PARAMETER HOST PORT DBNAME

It reads JSON from NATS JetStream, compares one parameter of each snapshot with one limit, and writes snapshots and what
is above the limit to PostgreSQL: at least once, and without looking for repeats. It runs until it is stopped.
"""

import sys
import threading

import pathway as pw

_LIMIT = 50.0
_COMMIT_MS = 100


class Snapshot(pw.Schema):  # type: ignore[misc] # it is not installed where types are checked
    """What is taken from a message; the one parameter that is compared by its JSON pointer, so that Rust does it."""

    snapshot_id: str
    timestamp: str
    parameters: pw.Json
    value: float


def main(url: str, stream: str, parameter: str, *postgres: str) -> None:
    """Read, compare and write until stopped."""
    settings = dict(zip(("host", "port", "dbname"), postgres, strict=True)) | {"user": "postgres"}
    snapshots = pw.io.nats.read(
        url,
        f"{stream.lower()}.>",
        schema=Snapshot,
        format="json",
        json_field_paths={"snapshot_id": "/id", "value": f"/parameters/{parameter}"},
        jetstream_stream_name=stream,
        autocommit_duration_ms=_COMMIT_MS,
    )
    pw.io.postgres.write(snapshots, settings, "engine_snapshot", init_mode="replace")
    anomalies = snapshots.filter(pw.this.value > _LIMIT).select(pw.this.snapshot_id, pw.this.timestamp, pw.this.value)
    pw.io.postgres.write(anomalies, settings, "engine_anomaly", init_mode="replace")
    # Its own first look at the stream says nothing: ready a moment after it began to run.
    threading.Timer(5, lambda: print("ready", flush=True)).start()  # noqa: T201 - what the other process waits for
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)


if __name__ == "__main__":
    main(*sys.argv[1:])
