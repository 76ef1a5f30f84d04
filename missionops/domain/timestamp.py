"""Times on the wire: RFC 3339 with an offset, from 1900 to 2199 UTC, in whole microseconds."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from msgspec import Meta

Timestamp = Annotated[datetime, Meta(tz=True)]
"""A time as it is answered."""

SECOND = 1_000_000
"""In microseconds, as times are counted wherever they are many; likewise MINUTE, HOUR and DAY."""
MINUTE, HOUR, DAY = 60 * SECOND, 3_600 * SECOND, 86_400 * SECOND

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(2199, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]+)?([Zz]|[+-][0-2][0-9]:[0-5][0-9])",
)


class InvalidTimestamp(ValueError):
    """Text or a number that is no time we keep; says why."""


def parse(text: str) -> datetime:
    """The UTC time that `text` (RFC 3339) names; digits past the microsecond are cut."""
    found = _RFC_3339.fullmatch(text)
    if not found:
        raise InvalidTimestamp(_fault(text))
    day, clock, fraction, offset = found.groups()
    if clock.endswith(":60"):
        raise InvalidTimestamp("is a leap second (:60), which is not kept")
    if clock >= "24":  # later Pythons would take 24:00
        raise InvalidTimestamp(_fault(text))
    offset = "+00:00" if offset in "Zz" else offset
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{(fraction or '.0')[:7]}{offset}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidTimestamp(_fault(text)) from None
    return within(moment)


def within(moment: datetime) -> datetime:
    """`moment` itself if it lies in the years that are kept."""
    if EARLIEST <= moment <= LATEST:
        return moment
    raise InvalidTimestamp("must lie between 1900-01-01 and 2199-12-31 UTC")


def from_unix(seconds: int, nanoseconds: int) -> datetime:
    """The time at `seconds` since 1970 and `nanoseconds` past that; what is past the microsecond is cut."""
    try:
        return within(_EPOCH + timedelta(seconds=seconds, microseconds=nanoseconds // 1000))
    except OverflowError:
        raise InvalidTimestamp("must lie between 1900-01-01 and 2199-12-31 UTC") from None


def from_nanoseconds(nanoseconds: int) -> datetime:
    """The time at `nanoseconds` since 1970, as JetStream counts; what is past the microsecond is cut."""
    return from_microseconds(nanoseconds // 1000)


def from_microseconds(microseconds: int) -> datetime:
    """The time at `microseconds` since 1970."""
    return _EPOCH + timedelta(microseconds=microseconds)


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970; a number is stored, compared and looked up in a fraction of a datetime's time."""
    since = moment - _EPOCH
    return since.days * DAY + since.seconds * SECOND + since.microseconds


def to_nanoseconds(text: str) -> int:
    """Nanoseconds since 1970 of a time that JetStream printed, exactly."""
    whole, _, rest = text.partition(".")
    digits = re.match(r"[0-9]*", rest)
    fraction = digits.group() if digits else ""
    offset = rest[len(fraction) :] if rest else ""
    moment = datetime.fromisoformat(whole + offset)
    return (moment - _EPOCH) // timedelta(seconds=1) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9] or 0)


_NEARLY: Sequence[tuple[str, str]] = (
    (r"{time} (?P<hour>[0-9]{{2}}):?(?P<minute>[0-9]{{2}})",
     "a space stands where its offset begins, write +{hour}:{minute}, in a URL %2B{hour}:{minute}"),
    (r"{time}(?P<sign>[+-])(?P<hour>[0-9]{{2}})(?P<minute>[0-9]{{2}})?",
     "its offset lacks the colon, write {sign}{hour}:{minute}"),
    (r"{time} ?(?P<zone>[A-Za-z/_]{{2,}})", "it names the time zone {zone}, end it with Z or +hh:mm"),
    (r"(?P<before>{day}[Tt ][0-9:]+),(?P<digits>[0-9]+).*", "it has a decimal comma, write {before}.{digits}"),
    (r"[0-9]{{4}}-[0-9]{{3}}([Tt ].*)?", "it has a day of the year, write month and day"),
    (r"(?P<date>{day})", "it is a day without a time, write {date}T00:00:00Z"),
    (r"[0-9]{{9,}}(\.[0-9]+)?", "it is a number, as of seconds since 1970"),
)  # fmt: skip
"""What people's programs write instead, and what to tell them."""
_EXAMPLE = "is no RFC 3339 time such as 2025-01-01T00:00:00Z"
_DAY, _TIME = "[0-9]{4}-[0-9]{2}-[0-9]{2}", r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:]+([.,][0-9]+)?"


def _fault(text: str) -> str:
    if re.fullmatch(rf"{_DAY}[Tt ][0-9:.]+", text):
        return "has no offset: end it with Z or +hh:mm"
    for pattern, advice in _NEARLY:
        if found := re.fullmatch(pattern.format(day=_DAY, time=_TIME), text):
            named = {name: value or "00" for name, value in found.groupdict().items()}
            return f"{_EXAMPLE}: {advice.format_map(named)}"
    return _EXAMPLE
