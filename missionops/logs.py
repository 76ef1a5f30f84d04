"""Logs on standard error: lines for people on a terminal, JSON for programs elsewhere."""

import json
import logging
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from logging.handlers import MemoryHandler

from missionops.settings import Settings

_CONTEXT = ("spacecraft", "sequence", "batch", "epoch")
"""The attributes that are written to a JSON line where the code that logs it gives them."""
_MAX_HELD_LINES = 1_000
_MAX_REMEMBERED = 1_000


class RepeatFilter:
    """Recognises texts that were logged less than `seconds` ago, so that a lasting fault is not logged all the time."""

    def __init__(self, seconds: float = 600.0) -> None:
        self._seconds = seconds
        self._logged: dict[str, float] = {}

    def is_new(self, text: str) -> bool:
        """Whether this text was not logged lately and should be logged now."""
        now = time.monotonic()
        if now - self._logged.get(text, -math.inf) < self._seconds:
            return False
        self._logged.pop(text, None)
        self._logged[text] = now
        if len(self._logged) > _MAX_REMEMBERED:
            del self._logged[next(iter(self._logged))]
        return True

    def reset(self) -> None:
        """Forget all texts, because the fault is over: if it comes again, it is logged again."""
        self._logged.clear()


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")
        line: dict[str, object] = {
            "time": at,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name in _CONTEXT if (value := getattr(record, name, None)) is not None}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure(settings: Settings) -> None:
    """Log to standard error, at the level and in the format of the settings."""
    handler = logging.StreamHandler(sys.stderr)
    if settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty()):
        handler.setFormatter(_Json())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    logging.getLogger("nats").setLevel(logging.WARNING)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


@contextmanager
def held() -> Iterator[None]:
    """Write the log lines of the block at its end, or as soon as there is a warning among them."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    memories = [MemoryHandler(_MAX_HELD_LINES, logging.WARNING, handler) for handler in handlers]
    root.handlers[:] = memories
    try:
        yield
    finally:
        root.handlers[:] = handlers
        for memory in memories:
            memory.close()  # writes what it holds
