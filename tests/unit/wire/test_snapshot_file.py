"""Files cut into snapshots: in pieces of any size the same items come out, and of a cut-off file all that is whole."""

import csv
import io
import itertools
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from missionops.wire.snapshot_file import Piece, SnapshotFile

_ODD = st.sampled_from(['"', "\\", "[{", "}],", "\\u0000"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | _ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(st.text(max_size=3), values, max_size=4)
sizes = st.integers(1, 7)
indents = st.sampled_from([None, 0, 1])


def pieces(content: bytes, size: int, *, is_csv: bool = False) -> list[Piece]:
    chunks = (content[start : start + size] for start in range(0, len(content), size))
    return [piece for found in SnapshotFile(chunks, is_csv=is_csv).pieces() for piece in found]


def read(found: Sequence[Piece]) -> list[object]:
    assert [piece.place for piece in found] == list(range(1, len(found) + 1))
    return [json.loads(piece.text) for piece in found if not piece.fault]


@given(st.lists(values, max_size=5), sizes, indents)
def test_an_array_in_pieces_of_any_size_has_its_items(items: list[object], size: int, indent: int | None):
    content = json.dumps(items, indent=indent, ensure_ascii=False).encode("utf-8", "surrogatepass")
    assert read(pieces(content, size)) == items


@given(st.lists(objects, min_size=1, max_size=5), sizes)
def test_objects_over_several_lines_are_told_apart(items: list[object], size: int):
    content = "\n".join(json.dumps(item, indent=2) for item in [{"first": 1}, *items]).encode()
    assert read(pieces(content, size)) == [{"first": 1}, *items]


@given(st.lists(objects, min_size=1, max_size=5), sizes, indents, st.data())
def test_of_an_array_cut_off_anywhere_all_that_is_whole_is_there(
    items: list[object], size: int, indent: int | None, data: st.DataObject
):
    texts = [json.dumps(item, indent=indent).encode() for item in items]
    content = b"[" + b",\n".join(texts)
    cut = data.draw(st.integers(1, len(content)))
    *whole, last = pieces(content[:cut], size)
    assert "cut off" in (last.fault or "")
    ends = itertools.accumulate((len(text) + 2 for text in texts), initial=-1)
    assert [piece.text for piece in whole] == texts[: sum(end <= cut for end in list(ends)[1:])]


@given(st.lists(st.tuples(st.integers(), st.text(st.sampled_from('ab,"\n x'), max_size=6)), max_size=6), sizes)
def test_csv_in_pieces_of_any_size_has_its_rows(rows: list[tuple[int, str]], size: int):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([("time", "n", "text"), *(("t", number, said) for number, said in rows)])
    found = pieces(text.getvalue().encode(), size)
    assert [piece.fault for piece in found] == [None] * len(rows)
    assert [json.loads(piece.text)["parameters"]["n"] for piece in found] == [number for number, _ in rows]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1", 1), ("-0", 0), ("7.150", 7.15), ("+5", 5), (".5", 0.5), ("5.", 5), ("1e3", 1000.0), ("1.E2", 100.0),
        (" 3 ", 3), ("True", True), ("false", False), ("007", "007"), ("0x0A", "0x0A"), ("71,5", "71,5"), ("-", "-"),
        ("12345678901234567890", 12345678901234567890), ("1 2", "1 2"),
    ],
)  # fmt: skip
def test_a_cell_is_a_number_where_it_is_written_as_one(cell: str, value: object):
    (piece,) = pieces(f'time,a\nt,"{cell}"\n'.encode(), 5)
    found = json.loads(piece.text)["parameters"]["a"]
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("cell", ["", " ", "NaN", "nan", "null", "-inf", "Infinity", "N/A"])
def test_a_cell_without_a_value_is_no_parameter(cell: str):
    (piece,) = pieces(f"time,a,b\nt,{cell},1\n".encode(), 5)
    assert json.loads(piece.text)["parameters"] == {"b": 1}


def test_a_time_under_utc_needs_no_offset():
    (piece,) = pieces(b"UTC,a\n2025-01-01 00:00:00,1\n", 5)
    assert json.loads(piece.text)["timestamp"] == "2025-01-01 00:00:00Z"


def test_lines_keep_their_numbers_after_white_space():
    found = pieces(b"\n \n\n{}\n\n{}", 2)
    assert [(piece.place, piece.text) for piece in found] == [(4, b"{}"), (6, b"{}")]
    assert [piece.place for piece in pieces(b"\n\ntime,a\nt,1\n\nt,2\n", 3)] == [4, 6]
