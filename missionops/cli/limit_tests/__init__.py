"""Tests of limits: files of config documents, series of values, and the alarms and anomalies that they shall make."""
