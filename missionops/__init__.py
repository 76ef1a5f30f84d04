"""Receives spacecraft telemetry, stores it, checks it against limits and publishes each anomaly at once."""

__version__ = "0.1.0"
