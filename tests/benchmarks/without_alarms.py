"""The service without its alarms, to measure what they cost: `python -m tests.benchmarks.without_alarms serve`."""

from typing import Any

from missionops.cli import main
from missionops.ingest.alarms.engine import AlarmEngine


async def take(_engine: AlarmEngine, *_batch: Any) -> None:
    """Find nothing."""


if __name__ == "__main__":
    setattr(AlarmEngine, "take", take)  # noqa: B010 - mypy refuses the assignment
    main()
