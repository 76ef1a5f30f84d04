"""Times as people write them on a command line, as the service reads them: RFC 3339, in UTC."""

import re
from datetime import UTC, datetime, timedelta

import typer

from missionops.domain import timestamp

_SPAN = re.compile(r"([0-9]{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DAY_OF_YEAR = re.compile(r"([0-9]{4}-[0-9]{3})([Tt ].*)?")
_NAMED_DAYS = {"today": 0, "yesterday": 1}
_LAST = timedelta(days=1) - timedelta(microseconds=1)


def start(text: str) -> str:
    """The time that a person means by `text`; of a day its first instant."""
    return _written(_read(text)[0])


def end(text: str) -> str:
    """The time that a person means by `text`; of a day its last instant."""
    time, is_day = _read(text)
    return _written(time + _LAST if is_day else time)


def ago(text: str) -> datetime:
    """The time that a person means who looks back: `10m` as well as `-10m`, or any other time."""
    return _read(f"-{text}" if span(text) else text)[0]


def span(text: str) -> timedelta | None:
    """How long `10m`, `36h` or `7d` is; None if `text` is no such span."""
    found = _SPAN.fullmatch(text)
    return timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None


def _read(text: str) -> tuple[datetime, bool]:
    """The time, and whether `text` names no more than a day."""
    word, now = text.strip().lower(), datetime.now(UTC)
    try:
        if word == "now":
            return now, False
        if word in _NAMED_DAYS:
            return now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(_NAMED_DAYS[word]), True
        if word.startswith("-") and (ago := span(word[1:])):
            return timestamp.within(now - ago), False
        if found := _DAY_OF_YEAR.fullmatch(text.strip()):
            day = f"{datetime.strptime(found[1], '%Y-%j'):%Y-%m-%d}"  # noqa: DTZ007 - a day, not yet a time
            return timestamp.parse(day + (found[2] or "T00:00:00Z")), found[2] is None
        if _DAY.fullmatch(word):
            return timestamp.parse(f"{word}T00:00:00Z"), True
        return timestamp.parse(text.strip()), False
    except timestamp.InvalidTimestamp as error:
        raise typer.BadParameter(f"{text!r} {error}; or write a day, -1h, now, today or yesterday.") from None
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is no time such as 2025-01-01T00:00:00Z, 2025-001, -1h or today.") from None


def _written(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")
