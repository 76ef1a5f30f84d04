"""Made-up missions: telemetry that depends on a seed and on time alone, equal on every machine."""
