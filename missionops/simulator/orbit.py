"""Circular orbits around the Earth, and its shadow.

Kepler's third law and the cylindrical shadow: Vallado, Fundamentals of Astrodynamics and Applications, chapters 1
and 5; Wertz and Larson, Space Mission Analysis and Design, chapter 5.
"""

import math
from typing import NamedTuple

from missionops.simulator import circle

EARTH_RADIUS_KM = 6378.137
GRAVITY = 398_600.4418
"""The Earth's gravitational parameter in km³/s²."""
DAY = 86_400.0
YEAR_DAYS = 365.25

_OBLIQUITY_SINE = 0.397777
"""Of 23.4393°, the inclination of the Earth's axis."""
_EQUINOX_DAYS = 79.3
"""From J2000 to the equinox of March."""


class Orbit(NamedTuple):
    """An orbit of one radius; its phase is 0 where the sun stands highest, half a turn in the midst of the night."""

    radius_km: float

    @property
    def period(self) -> float:
        """Seconds for one revolution."""
        return 2 * math.pi * math.sqrt(self.radius_km * self.radius_km * self.radius_km / GRAVITY)

    def revolutions(self, at: float) -> float:
        """The revolutions until `at` seconds after J2000: whole ones and the phase."""
        return at / self.period

    def is_eclipsed(self, phase: float, beta_sine: float) -> bool:
        """Whether the Earth hides the sun; beta is the sun's height above the plane of the orbit."""
        beta_cosine = math.sqrt(1 - beta_sine * beta_sine)
        earth = EARTH_RADIUS_KM / self.radius_km
        horizon = math.sqrt(1 - earth * earth)
        return -circle.cosine(phase) * beta_cosine > horizon


def declination_sine(at: float) -> float:
    """The sine of the sun's height above the equator, `at` seconds after J2000."""
    return _OBLIQUITY_SINE * circle.sine((at / DAY - _EQUINOX_DAYS) / YEAR_DAYS)
