"""Telemetry in, from the stream TELEMETRY to the acknowledgement.

A message goes through these modules in this order:

1. `consumer` receives messages of the stream in batches, in stream order.
2. `pipeline` collects what has arrived into a batch, which decodes it (missionops/ingest/batch.py).
3. `pipeline` leaves out snapshots that were handled a moment ago (`RecentSnapshots` in missionops/ingest/batch.py).
4. `pipeline` runs ONE TRANSACTION: snapshots and their anomalies are stored, the checkpoint moves
   (missionops/ingest/record.py). Dead letters are published before it commits.
5. `pipeline` publishes the anomalies once the transaction has committed (publishers/).
6. `pipeline` acknowledges the batch.

`worker` claims the partition, `session` is the time for which it is ours, `recovery` finds the place to start from.
"""
