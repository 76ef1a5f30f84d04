"""Numbers: which are kept, and how they print."""

import math
from functools import lru_cache

LEAST_INTEGER = -(2**63)
GREATEST_INTEGER = 2**64 - 1
LARGEST_EXACT = 2**53
"""Up to here, of either sign, a double holds every integer."""


def kept(number: float) -> float | None:
    """`number` as it is kept: a 64-bit integer exactly, else the nearest double; None if no finite double holds it."""
    if isinstance(number, int) and LEAST_INTEGER <= number <= GREATEST_INTEGER:
        return number
    try:
        double = float(number)
    except OverflowError:
        return None
    return double if math.isfinite(double) else None


def plain(number: float) -> float:
    """A stored double as it is answered: as an integer where it is whole, other than -0.0 and what may be rounded."""
    if not -LARGEST_EXACT <= number <= LARGEST_EXACT:
        return number
    whole = int(number)
    return whole if whole == number and (whole or math.copysign(1, number) > 0) else number


@lru_cache(maxsize=4_096)  # the same limits are printed with each anomaly
def text(number: float) -> str:
    """`number` as ECMAScript's Number::toString prints it: `45`, `0.6632`, `1e+21` (ECMA-262, 6.1.6.1.20)."""
    if number == 0:
        return "0"
    # The shortest digits that read back as the number, and where the point stands: 0.d times 10^point.
    mantissa, _, exponent = f"{abs(float(number))!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(digits) - len(fraction) + int(exponent or 0)
    sign, digits = "-" if number < 0 else "", digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:  # noqa: PLR2004 - the standard's own bounds, here and below
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:  # noqa: PLR2004
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:  # noqa: PLR2004
        return f"{sign}0.{'0' * -point}{digits}"
    mantissa = digits if count == 1 else f"{digits[0]}.{digits[1:]}"
    return f"{sign}{mantissa}e{point - 1:+d}"
