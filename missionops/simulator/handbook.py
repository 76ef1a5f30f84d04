"""The documents about a mission: an overview, its parameters, and what to do about each fault."""

from collections.abc import Iterator
from typing import NamedTuple

from missionops.domain import number
from missionops.simulator.profile import LIMITS, Profile


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
    names = ", ".join(parameter.name for parameter in profile.parameters)
    lines = []
    for parameter in profile.parameters:
        unit = f" [{parameter.unit}]" if parameter.unit else ""
        rule = ", ".join(f"{name} {number.text(parameter.rule[name])}" for name in LIMITS if name in parameter.rule)
        lines.append(f"- {parameter.name}{unit}: {parameter.meaning}. Limits: {rule or 'none'}.\n")
    faults = "\n".join(
        f"{fault.name}\n"
        f"  Symptom: {fault.symptom}\n"
        f"  Parameters: {', '.join(fault.parameters)}\n"
        f"  Likely cause: {fault.cause}\n"
        f"  Action: {fault.action}\n"
        for fault in profile.faults
    )
    pages = (
        ("overview", "mission overview", f"{profile.overview}\n\nTelemetry: {names}.\n"),
        ("reference", "parameter reference", f"Parameters of {profile.spacecraft_id}\n\n{''.join(lines)}"),
        ("troubleshooting", "troubleshooting", f"Known faults of {profile.spacecraft_id}\n\n{faults}"),
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
