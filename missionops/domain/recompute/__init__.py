"""Late telemetry: the part of a history that is folded again, and what becomes of the alarms in it."""
