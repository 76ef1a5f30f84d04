"""What the ingest path is doing, for health and metrics."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["starting", "owner", "standby", "stopped"]


@dataclass
class Progress:
    """Counts since the start of this process, and where it stands now."""

    role: Role = "starting"
    trouble: str | None = None
    """Why nothing is being stored, in one sentence; None while all is well."""
    epoch: int = 0
    sequence: int = 0
    stored: int = 0
    duplicates: int = 0
    lost: int = 0
    batches: int = 0
    dead_letters: Counter[str] = field(default_factory=Counter)
    anomalies: Counter[str] = field(default_factory=Counter)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    def move(self, sequence: int) -> None:
        """Everything up to `sequence` is decided."""
        self.sequence = sequence
        self._moved.set()
        self._moved = asyncio.Event()

    async def until_moved(self) -> None:
        """Wait for the next move."""
        await self._moved.wait()

    @property
    def is_ready(self) -> bool:
        """Whether telemetry is being handled, by this instance or, while it stands by, by another."""
        return self.role in {"owner", "standby"} and self.trouble is None
