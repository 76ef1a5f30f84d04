"""Previews of configs, asked of the service page by page and put together."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from missionops import errors
from missionops.cli.client import connection, loop, pagination
from missionops.cli.client.service import Service
from missionops.domain.preview.digest import Digest
from missionops.domain.preview.findings import MOST_SHOWN
from missionops.domain.severity import Severity

Preview = dict[str, Any]
Report = Callable[[int, float], None]
"""Takes how many snapshots were read, and how much of the preview is done, from 0 to 1."""

_LEVELS = {severity: severity.level for severity in Severity}


def whole(service: Service, spacecraft_id: str, document: bytes, between: tuple[str, str], report: Report) -> Preview:
    """All pages of a preview as one."""
    request = {"config": msgspec.Raw(document), "from": between[0], "to": between[1]}
    subject = f"missionops.config.preview.{spacecraft_id}"

    async def collect() -> Preview:
        async with service.connected() as client:
            found: Preview | None = None
            cursor: str | None = None
            while found is None or cursor is not None:
                given = request if cursor is None else {**request, "cursor": cursor}
                reply = await connection.ask(client, subject, msgspec.json.encode(given))
                cursor = (reply.headers or {}).get(pagination.CURSOR)
                try:
                    page = msgspec.json.decode(reply.data, type=Preview)
                    found = _added(found, page)
                except (msgspec.DecodeError, KeyError) as error:
                    raise errors.Unavailable(
                        f"The response is no preview ({error}): is another program listening there?"
                    ) from None
                report(found["snapshots"], page["progress"])
            return found

    found = loop.run(collect())
    found["parameters"] = sorted(found["parameters"].values(), key=lambda one: one["parameter"])
    return found


def _added(found: Preview | None, page: Preview) -> Preview:
    """What came before and the next page; parameters by name."""
    if found is None:
        return {**page, "parameters": {one["parameter"]: one for one in page["parameters"]}}
    for name in page["restarted"]:
        found["parameters"].pop(name, None)
    for one in page["parameters"]:
        known = found["parameters"].setdefault(one["parameter"], one)
        if known is one:
            continue
        known["count"] += one["count"]
        if known["observed"] and one["observed"]:
            digest = _digest(known["observed"])
            digest.merge(_digest(one["observed"]))
            known["observed"] = {
                "min": digest.least, "max": digest.greatest, "p01": digest.quantile(0.01),
                "p99": digest.quantile(0.99), "digest": digest.means,
            }  # fmt: skip
        known["observed"] = known["observed"] or one["observed"]
        for side in ("now", "then"):
            for name in ("alarms", "seconds", "anomalies"):
                known[side][name] += one[side][name]
            for severity, count in one[side]["bySeverity"].items():
                known[side]["bySeverity"][severity] = known[side]["bySeverity"].get(severity, 0) + count
        for name in ("gained", "lost", "changed"):
            known["counts"][name] += one["counts"][name]
            known[name] = sorted([*known[name], *one[name]], key=badness)[:MOST_SHOWN]
    found["snapshots"] += page["snapshots"]
    return {**found, "until": page["until"], "complete": page["complete"], "progress": page["progress"]}


def _digest(observed: Preview) -> Digest:
    means = [(mean, count) for mean, count in observed["digest"]]
    return Digest(observed["min"], observed["max"], means)


def badness(alarm: Preview) -> tuple[Any, ...]:
    """What orders alarms that are gained, lost or changed, as in the service: the worst first."""
    sides = [alarm[side] for side in ("now", "then") if side in alarm] or [alarm]
    severity = max(_LEVELS[side["severity"]] for side in sides)
    seconds = max(lasting(side) for side in sides)
    return -severity, -seconds, sides[-1]["start"]


def lasting(alarm: Preview) -> float:
    """Seconds that an alarm lasts; infinite where it is active."""
    if alarm["end"] is None:
        return float("inf")
    return (_time(alarm["end"]) - _time(alarm["start"])).total_seconds()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
