"""The documents about a mission: an overview, its parameters, and what to do about each fault."""

from collections.abc import Iterator
from typing import NamedTuple

from missionops.domain import number
from missionops.simulator.profile import LIMITS, Parameter, Profile


class HandbookPage(NamedTuple):
    """One document; its id is the same in every version."""

    id: str
    spacecraft_id: str
    title: str
    category: str
    tags: tuple[str, ...]
    body: str


def documents(profile: Profile) -> Iterator[HandbookPage]:
    """The documents about one mission."""
    pages = (
        ("overview", "mission overview", _overview(profile)),
        ("reference", "parameter reference", _reference(profile)),
        ("troubleshooting", "troubleshooting", _troubleshooting(profile)),
    )
    for category, title, body in pages:
        yield HandbookPage(
            id=f"{profile.spacecraft_id.lower()}-{category}",
            spacecraft_id=profile.spacecraft_id,
            title=f"{profile.name}: {title}",
            category=category,
            tags=(profile.mission_type.lower().replace(" ", "-"), category),
            body=body,
        )


def _overview(profile: Profile) -> str:
    reports = ", ".join(parameter.name for parameter in profile.parameters)
    return f"{profile.overview}\n\nTelemetry: {reports}.\n"


def _reference(profile: Profile) -> str:
    return f"Parameters of {profile.spacecraft_id}\n\n" + "\n".join(map(_line, profile.parameters)) + "\n"


def _line(parameter: Parameter) -> str:
    unit = f" [{parameter.unit}]" if parameter.unit else ""
    allowed = ", ".join(f"{name} {number.text(parameter.rule[name])}" for name in LIMITS if name in parameter.rule)
    return f"- {parameter.name}{unit}: {parameter.meaning}. Limits: {allowed or 'none'}."


def _troubleshooting(profile: Profile) -> str:
    faults = (
        f"{fault.name}\n"
        f"  Symptom: {fault.symptom}\n"
        f"  Parameters: {', '.join(fault.parameters)}\n"
        f"  Likely cause: {fault.cause}\n"
        f"  Action: {fault.action}\n"
        for fault in profile.faults
    )
    return f"Known faults of {profile.spacecraft_id}\n\n" + "\n".join(faults)
