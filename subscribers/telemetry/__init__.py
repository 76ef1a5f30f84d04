"""Telemetry in, from the stream TELEMETRY to the acknowledgement.

A message goes through these modules in this order:

1. `consumer` receives messages of the stream in batches, in stream order.
2. `pipeline` collects what has arrived into a batch, which decodes it and leaves out snapshots that were handled a
   moment ago (missionops/ingest/batch.py).
3. `pipeline` runs ONE TRANSACTION: snapshots and their anomalies are stored (missionops/ingest/record.py), and the
   checkpoint moves. Dead letters are published before it commits.
4. `pipeline` publishes the anomalies once the transaction has committed (publishers/).
5. `pipeline` acknowledges the batch.

`worker` claims the partition, `session` is the time for which it is ours, `recovery` finds the place to start from.
"""
