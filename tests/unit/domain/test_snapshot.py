from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from missionops.domain import snapshot, timestamp
from missionops.domain.parameter_set import Value

AT = timestamp.to_microseconds(datetime(2025, 1, 1, tzinfo=UTC))


def test_the_text_is_sorted_json_without_white_space():
    parameters: dict[str, Value] = {"b": 1, "a": 1.0, "é": "ü", "B": True, "😀": False, "ﬀ": -0.5}
    assert snapshot.text(parameters) == '{"B":true,"a":1.0,"b":1,"é":"ü","ﬀ":-0.5,"😀":false}'.encode()


@given(st.dictionaries(st.text(max_size=3), st.booleans() | st.integers(0, 9) | st.text(max_size=3)))
def test_the_text_does_not_depend_on_the_order_of_the_names(parameters):
    assert snapshot.text(dict(reversed(parameters.items()))) == snapshot.text(parameters)


def test_a_derived_id_is_ts_and_32_hex_digits_and_stays_what_it_was():
    # Stored telemetry is known by these: another hash would store all of a replayed stream twice.
    assert snapshot.derived_id(AT, b"{}") == "ts_e88812425ac66539d8a61a6983c9c6b5"
    assert snapshot.derived_id(AT, b'{"temp":42}') == "ts_470c29f304527fe84d36871de0bd9446"


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (AT, b'{"temp":42.0}'),
        (AT, b'{"temp":"42"}'),
        (AT, b'{"temp":true}'),
        (AT, b'{"Temp":42}'),
        (AT, b"{}"),
        (AT + 1, b'{"temp":42}'),
        (AT + 365 * 86_400_000_000, b'{"temp":42}'),
    ],
)
def test_other_content_has_another_id(at, text):
    assert snapshot.derived_id(at, text) != snapshot.derived_id(AT, b'{"temp":42}')
