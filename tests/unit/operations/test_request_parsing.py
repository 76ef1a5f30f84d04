"""Requests from the fields of a query string."""

import msgspec
import pytest

from missionops.operations import request_parsing


class Listed(msgspec.Struct):
    names: list[str] | None = None


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,b", ["a", "b"]),
        ("a", ["a"]),
        ("", [""]),
        (",a,", ["", "a", ""]),
        (r"a\,b,c", ["a,b", "c"]),
        (r"a\\,b", ["a\\", "b"]),
        (r"a\b,c\n", [r"a\b", r"c\n"]),
        ("a\\", ["a\\"]),
        (r"\\\,", [r"\,"]),
        ("line\nbreak,b", ["line\nbreak", "b"]),
    ],
)
def test_items_stand_between_commas_and_may_hold_some(text, names):
    assert request_parsing.from_fields({"names": text}, Listed).names == names
