"""Answers about a range of time that come in pages, put together."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from nats.aio.client import Client

from missionops import errors
from missionops.cli.client import connection, loop, pagination
from missionops.cli.client.service import Service

Page = dict[str, Any]
"""One answer, or all of them."""


def whole(service: Service, subject: str, request: Mapping[str, Any], add: Callable[[Page, Page], None]) -> Page:
    """All pages as one; `add` puts the second of two into the first."""

    async def collect() -> Page:
        async with service.connected() as client:
            found, cursor = await _page(client, subject, request)
            while cursor is not None:
                page, cursor = await _page(client, subject, {**request, "cursor": cursor})
                add(found, page)
                found["complete"] = page["complete"]
            return found

    return loop.run(collect())


async def _page(client: Client, subject: str, request: Mapping[str, Any]) -> tuple[Page, str | None]:
    reply = await connection.ask(client, subject, msgspec.json.encode(request))
    try:
        page = msgspec.json.decode(reply.data, type=Page)
    except msgspec.DecodeError as error:
        raise errors.Unavailable(f"The response is none ({error}): is another program listening there?") from None
    return page, (reply.headers or {}).get(pagination.CURSOR)


def add_series(found: Page, page: Page) -> None:
    """Put the next page of a series into what came before."""
    for one, more in zip(found["series"], page["series"], strict=True):
        if (one["kind"], more["kind"]) == ("samples", "buckets"):
            _make_buckets(one, found["step"])
        if (one["kind"], more["kind"]) == ("buckets", "samples"):
            _make_buckets(more, found["step"])
        shift = len(one["t"]) if one["kind"] == "samples" else 0
        for severity, places in more["violations"].items():
            one["violations"].setdefault(severity, []).extend([place + shift, count] for place, count in places)
        for limits in more["limits"]:
            same = next((each for each in one["limits"] if _limits(each) == _limits(limits)), None)
            if same is None:
                one["limits"].append(limits)
            else:
                same["spans"] += limits["spans"]
        for column in ("t", "value") if one["kind"] == "samples" else _COLUMNS:
            one[column] += more[column]
        one["others"] += more["others"]
        one["gap"] = max((gap for gap in (one["gap"], more["gap"]) if gap is not None), default=None)


def add_states(found: Page, page: Page) -> None:
    """Put the next page of states into what came before; a span that goes on over the end of a page is one again."""
    for one, more in zip(found["states"], page["states"], strict=True):
        spans, later = one["spans"], more["spans"]
        if spans and later and _kind_and_value(spans[-1]) == _kind_and_value(later[0]):
            first = later.pop(0)
            spans[-1]["to"] = first["to"]
            spans[-1]["count"] += first["count"]
        spans += later
        one["others"] += more["others"]


def _kind_and_value(span: Page) -> tuple[type, object]:
    return type(span["value"]), span["value"]


_COLUMNS = ("bucket", "count", "min", "minAt", "max", "maxAt", "last")


def _limits(found: Page) -> Page:
    return {name: value for name, value in found.items() if name != "spans"}


def _make_buckets(one: Page, step: float) -> None:
    """Make buckets of samples, which were few on the pages before; one for each, though two may be of one bucket."""
    times, values = one.pop("t"), one.pop("value")
    numbers = [int(time // step) for time in times]
    one |= {
        "kind": "buckets", "bucket": numbers, "count": [1] * len(times), "min": values, "minAt": times,
        "max": [*values], "maxAt": [*times], "last": [*values],
    }  # fmt: skip
    one["violations"] = {
        severity: [[numbers[place], count] for place, count in places] for severity, places in one["violations"].items()
    }
