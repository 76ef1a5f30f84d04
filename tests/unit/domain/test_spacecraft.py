import pytest

from missionops.domain import spacecraft


@pytest.mark.parametrize("text", ["a", "7", "SC-001", "a_b-c", "A" * 64])
def test_a_subject_token_of_letters_digits_and_lines_is_an_id(text):
    assert spacecraft.is_id(text)


@pytest.mark.parametrize(
    "text", ["", "_a", "-a", "A" * 65, "a.b", "a*", ">", "a b", "a\n", "\na", "é", "a\0", "٣", "a/b", "$a"]
)
def test_anything_else_is_none(text):
    assert not spacecraft.is_id(text)
