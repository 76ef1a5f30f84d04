"""Simulated missions: telemetry that depends only on a seed and on time, equal on every machine."""
