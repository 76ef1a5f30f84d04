from hypothesis import given
from hypothesis import strategies as st

from missionops.wire.fault import MAX_SHOWN, Faulty, shown


def test_ordinary_text_is_shown_as_it_is():
    for text in ["", "temp", "a b.c:d", "é ü 😀", "x" * MAX_SHOWN]:
        assert shown(text) == text


def test_control_characters_and_line_ends_are_shown_escaped():
    assert shown("a\nb\r\tc\0\x7f\x85\u2028\u202e") == r"a\nb\r\tc\x00\x7f\x85\u2028\u202e"


def test_long_text_is_cut():
    assert shown("x" * (MAX_SHOWN + 1)) == "x" * MAX_SHOWN + "…"


@given(st.text(st.characters()))  # with surrogates
def test_what_is_shown_is_one_line_that_can_be_encoded(text):
    assert len(shown(text).splitlines()) <= 1
    assert shown(text).isprintable()
    assert shown(text).encode().decode() == shown(text)


def test_a_fault_on_its_way_says_its_reason():
    faulty = Faulty("invalid", "id: must be a string")
    assert (faulty.code, faulty.reason, str(faulty)) == ("invalid", "id: must be a string", "id: must be a string")
