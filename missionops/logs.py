"""Logs on standard error: lines for people on a terminal, JSON for programs elsewhere."""

import json
import logging
import sys
from datetime import UTC, datetime

from missionops.settings import Settings

_CONCERNED = ("spacecraft", "sequence", "batch", "epoch")
"""What a line is about, where whoever logs it says so."""


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")
        line: dict[str, object] = {
            "time": at,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: found for name in _CONCERNED if (found := getattr(record, name, None)) is not None}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure(settings: Settings) -> None:
    """Send what the settings ask for to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    if settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty()):
        handler.setFormatter(_Json())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    logging.getLogger("nats").setLevel(logging.WARNING)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
