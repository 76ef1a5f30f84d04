"""Sine and cosine by additions and multiplications, which every machine rounds equally; libm's (and `**`) differ."""

import math

_COEFFICIENTS = (-1 / 1307674368000, 1 / 6227020800, -1 / 39916800, 1 / 362880, -1 / 5040, 1 / 120, -1 / 6, 1.0)
"""Taylor's, of y^15 down to y: less than 1e-11 off within a quarter turn."""


def sine(turns: float) -> float:
    """The sine of an angle in whole turns."""
    near = turns - math.floor(turns + 0.5)
    if near > 0.25:  # noqa: PLR2004 - quarter turns, here and below: the sine is the same on both sides of one
        near = 0.5 - near
    elif near < -0.25:  # noqa: PLR2004
        near = -0.5 - near
    angle = 2 * math.pi * near
    result = 0.0
    for coefficient in _COEFFICIENTS:
        result = result * angle * angle + coefficient
    return result * angle


def cosine(turns: float) -> float:
    """The cosine of an angle in whole turns."""
    return sine(turns + 0.25)


def fraction(turns: float) -> float:
    """An angle without its whole turns, from 0 up to 1."""
    return turns - math.floor(turns)
