"""Takes in spacecraft telemetry, keeps it, checks it against limits and tells the right people at once."""

__version__ = "0.1.0"
