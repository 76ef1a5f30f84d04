import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from missionops.domain import number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (45, "45"),
        (45.0, "45"),
        (-45.5, "-45.5"),
        (0, "0"),
        (0.0, "0"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (0.6632, "0.6632"),
        (100.0, "100"),
        (1e21, "1e+21"),
        (-1e21, "-1e+21"),
        (1.5e21, "1.5e+21"),
        (999999999999999900000.0, "999999999999999900000"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e-6, "0.000001"),
        (1.25e-6, "0.00000125"),
        (1e-7, "1e-7"),
        (-1.25e-7, "-1.25e-7"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (1e100, "1e+100"),
        (123.456, "123.456"),
        (1e16, "10000000000000000"),  # where Python begins to write exponents
        (2**53, "9007199254740992"),
        (2**53 + 1, "9007199254740992"),  # the nearest double, as every number is in ECMAScript
        (2**63, "9223372036854776000"),
        (-(2**63), "-9223372036854776000"),
        (2**64 - 1, "18446744073709552000"),
    ],
)
def test_text_is_what_ecmascript_prints(value, text):
    assert number.text(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_text_reads_back_as_the_number(value):
    assert float(number.text(value)) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(9.5e20)
@example(1e-6)
def test_text_has_an_exponent_only_outside_the_standards_bounds(value):
    text = number.text(value)
    assert ("e" in text) == (value != 0 and not 1e-6 <= abs(value) < 1e21)
    assert not text.endswith((".0", ".", "-0"))
    assert len(text.lstrip("-0.").partition("e")[0].replace(".", "").rstrip("0")) <= 17


@pytest.mark.parametrize("value", [0, 1, -1, 2**63 - 1, 2**63, -(2**63), 2**64 - 1, 2**53 + 1])
def test_an_integer_of_64_bits_is_kept_exactly(value):
    kept = number.kept(value)
    assert kept == value
    assert type(kept) is int


@pytest.mark.parametrize(
    ("value", "double"),
    [
        (2**64, 2.0**64),
        (-(2**63) - 1, -(2.0**63)),
        (10**300, 1e300),
        (2**1024 - 2**970 - 1, 1.7976931348623157e308),
        (1.5, 1.5),
        (42.0, 42.0),
        (5e-324, 5e-324),
    ],
)
def test_everything_else_is_kept_as_the_nearest_double(value, double):
    kept = number.kept(value)
    assert kept == double
    assert type(kept) is float


@pytest.mark.parametrize("value", [10**400, -(10**400), 2**1024 - 2**970, math.inf, -math.inf, math.nan])
def test_what_no_finite_double_holds_is_not_kept(value):
    assert number.kept(value) is None


def test_minus_zero_is_kept_as_it_is():
    kept = number.kept(-0.0)
    assert kept is not None
    assert math.copysign(1, kept) == -1
