"""Compiling in slices gives what compiling at once does."""

from typing import Any

import pytest

from missionops.domain import limits
from missionops.errors import InvalidRequest
from missionops.operations import config_document


def document(count: int, **changed: Any) -> dict[str, Any]:
    named = {f"p{n}": {"critLow": n, "warnHigh": n + 1} if n % 3 else {} for n in range(count)}
    return {"parameters": named | changed, "notes": "of the user"}


@pytest.mark.parametrize("given", [{}, {"notes": 1}, document(3), document(250), document(251), document(10_000)])
async def test_the_same_rules(given: dict[str, Any]) -> None:
    assert await config_document.compiled(given) == limits.compile_rules(given)


@pytest.mark.parametrize(
    "given",
    [
        {"parameters": []}, document(300, p299=1), document(300, p0={"warn": 1}, p280={"warnLow": 2, "warnHigh": 1}),
        document(10_001), {"parameters": dict.fromkeys(map(str, range(1_000)), 1)}, document(300, **{"a\0": {}}),
    ],
)  # fmt: skip
async def test_the_same_faults(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as at_once:
        limits.compile_rules(given)
    with pytest.raises(InvalidRequest) as in_slices:
        await config_document.compiled(given)
    assert (str(in_slices.value), in_slices.value.details) == (str(at_once.value), at_once.value.details)
