"""The notify file: targets, routes and the heartbeat, in TOML. Every fault is refused with its path.

Addresses of targets hold passwords and tokens: no error, log or repr shows one.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import Annotated, Any, NamedTuple, NoReturn
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from missionops.domain.alarm import CHECKS
from missionops.domain.notification.quiet_hours import QuietHours
from missionops.domain.notification.route import Match, NotifyRoute, RouteTarget
from missionops.domain.severity import Severity
from missionops.errors import SetupError
from missionops.notifications.target import Target

SETTING = "MISSIONOPS_NOTIFY_FILE"

_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_CLOCK = re.compile("([01][0-9]|2[0-3]):[0-5][0-9]")
_ALL = 5

_Names = str | list[str]
_Seconds = Annotated[float, Meta(ge=0, le=30 * 86_400)]


class _Match(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    spacecraft: _Names = []
    subsystem: _Names = []
    check: _Names = []
    min_severity: Severity = Severity.LOW


class _Quiet(msgspec.Struct, forbid_unknown_fields=True, rename={"begin": "from", "end": "to"}):
    begin: str
    end: str
    below: Severity | None = None
    zone: str = "UTC"


class _Route(msgspec.Struct, forbid_unknown_fields=True):
    to: _Names
    name: str | None = None
    match: _Match = msgspec.field(default_factory=_Match)
    after: _Seconds = 0
    repeat: _Seconds = 0
    group: _Seconds = 10
    quiet: _Quiet | None = None


class _Heartbeat(msgspec.Struct, forbid_unknown_fields=True):
    to: _Names
    every: Annotated[float, Meta(ge=1, le=86_400)] = 300


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    targets: dict[str, Any]
    routes: list[_Route] = []
    heartbeat: _Heartbeat | None = None


class Heartbeat(NamedTuple):
    """The heartbeat."""

    to: tuple[str, ...]
    every: float
    """Seconds."""


class NotifyFile(NamedTuple):
    """What the file says."""

    targets: Mapping[str, Target]
    routes: tuple[NotifyRoute, ...]
    heartbeat: Heartbeat | None

    @property
    def deliveries(self) -> list[RouteTarget]:
        """Each route to each of its targets."""
        return [RouteTarget(route, target) for route in self.routes for target in route.to]


def read(path: Path) -> NotifyFile:
    """The file, checked; SetupError in one sentence that names the file, the path in it and the fault."""
    try:
        found = tomllib.loads(path.read_text("utf-8-sig"))  # some editors begin a file with a mark
    except OSError as error:
        raise SetupError(f"The notify file {path} cannot be read ({error.strerror}): see {SETTING}.") from None
    except tomllib.TOMLDecodeError as error:
        raise SetupError(f"The notify file {path} is not TOML: {error}.") from None
    except UnicodeDecodeError:
        raise SetupError(f"The notify file {path} is not TOML: it is not UTF-8.") from None
    except (ValueError, RecursionError):  # what tomllib does not refuse by itself
        raise SetupError(
            f"The notify file {path} cannot be used: a number in it is too long, or something is nested too deeply."
        ) from None
    return _Reader(path).read(found)


class _Reader:
    """Reads one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, found: Mapping[str, Any]) -> NotifyFile:
        try:
            document = msgspec.convert(found, _Document)
        except msgspec.ValidationError as error:
            self._refuse(*_where_and_what(error))
        targets: dict[str, Target] = {}
        for name, address in document.targets.items():
            where = f"targets.{name}"
            if not _NAME.fullmatch(name):
                self._refuse(where, "a target's name has letters, digits, - and _, at most 64")
            if not isinstance(address, str):
                self._refuse(where, "its address must be a text")
            target = Target.at(name, address)
            if target is None:
                self._refuse(where, "Apprise cannot use its address, see https://appriseit.com/services")
            targets[name] = target
        routes = tuple(self._route(f"routes.{number}", one, targets) for number, one in enumerate(document.routes))
        keys = [(route.key, target) for route in routes for target in route.to]
        for number, route in enumerate(routes):
            if any(keys.count((route.key, target)) > 1 for target in route.to):
                self._refuse(f"routes.{number}", "another route is the same in name, or in match, after and to")
        heartbeat: Heartbeat | None = None
        if document.heartbeat:
            to = self._to("heartbeat.to", document.heartbeat.to, targets)
            heartbeat = Heartbeat(to, document.heartbeat.every)
        return NotifyFile(targets, routes, heartbeat)

    def _route(self, where: str, given: _Route, targets: Mapping[str, Target]) -> NotifyRoute:
        if given.name is not None and not _NAME.fullmatch(given.name):
            self._refuse(f"{where}.name", "a route's name has letters, digits, - and _, at most 64")
        match = Match(
            _listed(given.match.spacecraft), _listed(given.match.subsystem), _listed(given.match.check),
            given.match.min_severity.level,
        )  # fmt: skip
        for check in match.check:
            if check not in CHECKS:
                self._refuse(f"{where}.match.check", f"{check!r} is none of {', '.join(CHECKS)}")
        # Without a name a route stays the same, wherever it stands in the file, while it is for the same alarms.
        key = given.name or json.dumps([*match, given.after])
        quiet = self._quiet(f"{where}.quiet", given.quiet) if given.quiet else None
        to = self._to(f"{where}.to", given.to, targets)
        return NotifyRoute(key, match, to, given.after, given.repeat, given.group, quiet)

    def _quiet(self, where: str, given: _Quiet) -> QuietHours:
        clocks = []
        for name, text in (("from", given.begin), ("to", given.end)):
            if not _CLOCK.fullmatch(text):
                self._refuse(f"{where}.{name}", "it must be a time such as 22:00")
            clocks.append(time.fromisoformat(text))
        if clocks[0] == clocks[1]:
            self._refuse(where, "it begins when it ends")
        try:
            zone = ZoneInfo(given.zone)
        except (KeyError, ValueError, OSError):  # unknown, or no name of a zone at all
            self._refuse(f"{where}.zone", f"{given.zone!r} is no time zone such as Europe/Berlin")
        return QuietHours(clocks[0], clocks[1], given.below.level if given.below else _ALL, zone)

    def _to(self, where: str, given: _Names, targets: Mapping[str, Target]) -> tuple[str, ...]:
        names = _listed(given)
        if not names:
            self._refuse(where, "it names no target")
        for name in names:
            if name not in targets:
                self._refuse(where, f"there is no target {name!r}")
        return tuple(dict.fromkeys(names))

    def _refuse(self, where: str, what: str) -> NoReturn:
        raise SetupError(f"The notify file {self._path} cannot be used: {where}: {what}.")


def _listed(names: _Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _where_and_what(error: msgspec.ValidationError) -> tuple[str, str]:
    """The path in the file, and the fault; msgspec names types and fields, and never shows a value."""
    what, _, path = str(error).partition(" - at `$")
    where = re.sub(r"\[([0-9]+|\.\.\.)]", r".\1", path.rstrip("`")).lstrip(".")
    if found := re.fullmatch("Object contains unknown field `(.*)`", what):
        return ".".join(filter(None, (where, found[1]))), "there is no such key"
    if found := re.fullmatch("Object missing required field `(.*)`", what):
        return ".".join(filter(None, (where, found[1]))), "it is missing"
    return where or "the file", what[:1].lower() + what[1:].replace("`", "")
