"""The document of a file of tests: what it may hold, and where it is wrong."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from missionops.cli.client import files
from missionops.cli.limit_tests import yaml_file
from missionops.domain import config_document, limits, rule_document
from missionops.domain.parameter_set import Value
from missionops.domain.severity import Severity
from missionops.domain.timestamp import Timestamp
from missionops.errors import InvalidRequest

_Seconds = Annotated[float, Meta(ge=-1e9, le=1e9)]
"""After the start of the test."""


class GivenSnapshot(msgspec.Struct, forbid_unknown_fields=True):
    """A snapshot beside the series."""

    at: _Seconds
    parameters: dict[str, Value]
    received: _Seconds | None = None
    """When it was received; at once if it is not given."""
    id: str | None = None


class ExpectedAlarm(msgspec.Struct, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """An alarm; what is not given may be anything."""

    parameter: str | None = None
    check: str | None = None
    severity: Severity | None = None
    start: _Seconds | None = None
    raised_at: _Seconds | None = None
    end: _Seconds | None = None
    active: bool | None = None
    """Whether it goes on when the test ends."""
    reason: str | None = None
    samples: int | None = None


class ExpectedAnomaly(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """An anomaly; what is not given may be anything."""

    parameter: str | None = None
    at: _Seconds | None = None
    severity: Severity | None = None
    kind: str | None = None
    """Such as WARN_HIGH."""
    value: Value = None


class LimitTest(msgspec.Struct, forbid_unknown_fields=True):
    """One test."""

    name: str
    config: dict[str, Any] | str | None = None
    start: Timestamp = msgspec.convert("2025-01-01T00:00:00Z", Timestamp)
    every: Annotated[float, Meta(gt=0, le=1e6)] = 1
    """Seconds from one value of a series to the next."""
    series: dict[str, str | list[Value]] = {}
    snapshots: list[GivenSnapshot] = []
    alarms: list[ExpectedAlarm] | None = None
    """All that there have to be; not compared if it is not given."""
    anomalies: list[ExpectedAnomaly] | None = None


class TestFile(msgspec.Struct, forbid_unknown_fields=True):
    """A file of tests."""

    tests: Annotated[list[LimitTest], Meta(min_length=1)]
    config: dict[str, Any] | str | None = None
    """That of the tests which have none of their own: a config document, or the path of one beside this file."""


def read(path: Path) -> list[LimitTest]:
    """The tests of a file, each with its config; InvalidRequest with the place of what is wrong."""
    name = files.name(path)
    try:
        found = msgspec.convert(yaml_file.read(files.read(path), name), TestFile)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        place = place.rstrip("`").removeprefix(".").replace("[", ".").replace("]", "")
        raise InvalidRequest(f"{name}: {place or 'the document'}: {message}.") from None
    for index, one in enumerate(found.tests):
        place = "config" if one.config is None else f"tests.{index}.config"
        one.config = _config(path, place, found.config if one.config is None else one.config)
        if one.alarms is None and one.anomalies is None:
            raise InvalidRequest(f"{name}: tests.{index}: expects nothing; give alarms, anomalies or both.")
    return found.tests


def _config(path: Path, place: str, given: dict[str, Any] | str | None) -> dict[str, Any]:
    """A valid config document."""
    name = files.name(path)
    if given is None:
        raise InvalidRequest(f"{name}: {place}: is missing; it is a config document, or the path of one.")
    if isinstance(given, str):
        file = path.parent / given
        place, given = f"{place}: {file}", yaml_file.read(files.read(file), str(file))
    if not isinstance(given, dict):
        raise InvalidRequest(f"{name}: {place}: must be an object.")
    document = dict(config_document.unwrap(given, given.get("spacecraftId", ""))[0])
    try:
        limits.compile_rules(document)
        if faults := list(config_document.setting_faults(document)):
            raise rule_document.refusal(faults)
    except InvalidRequest as error:
        fault = error.details[0]
        raise InvalidRequest(f"{name}: {place}.{fault.path}: {fault.message}.") from None
    return document
