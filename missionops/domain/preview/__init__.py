"""Previews: what a config would have found in stored telemetry, beside what the configs found that judged it."""
