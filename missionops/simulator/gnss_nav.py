"""GNSS-Nav-Alpha: a navigation satellite, twice a day around the Earth."""

import math
from collections.abc import Mapping

from missionops.domain.parameter_set import Value
from missionops.simulator import circle
from missionops.simulator.battery import Battery
from missionops.simulator.fault import Active, SimulatedFault, ramp
from missionops.simulator.noise import Noise, Walk
from missionops.simulator.orbit import DAY, Orbit
from missionops.simulator.profile import Parameter, Profile

ORBIT = Orbit(26_560)
ARRAY_WATTS, LOAD_WATTS = 2_100.0, 1_300.0
CAPACITY_WH = 4_000.0
DRACONIC_DAYS = 351.4
"""From one passage of the sun through the plane of the orbit to the second next: two eclipse seasons."""
SIGNAL_DBM = -128.5
"""As the ground receives GPS L1 C/A at least (IS-GPS-200, 3.3.1.6: -158.5 dBW)."""
STEERING = 7_200.0
"""Seconds in which the ground corrects the clock's bias."""
JUMP_NS, JUMP_PPB, JUMP_SETTLES = 1_500.0, 0.25, 3_600.0
WEAK_DB = 12.0


class _Navigator:
    """Its clock: frequency noise integrates into time (Allan, IEEE Trans. UFFC 34, 647); 1 ppb is 1 ns each second."""

    def __init__(self, noise: Noise) -> None:
        self._noise = noise
        self._battery = Battery(CAPACITY_WH)
        self._eclipsed = False
        self._drift = Walk(noise, "clock_drift_ppb", 0.003, 5_400)
        self._bias_ns = noise.normal("clock_bias_ns at first", 10)
        self._jumped = False
        self._signal = Walk(noise, "nav_signal_power_dbm", 0.15, 900)

    def advance(self, seconds: float, at: float, active: Active) -> None:
        beta_sine = 0.82 * circle.sine(at / DAY / DRACONIC_DAYS)
        self._eclipsed = ORBIT.is_eclipsed(circle.fraction(ORBIT.revolutions(at)), beta_sine)
        self._battery.advance(seconds, 0.0 if self._eclipsed else ARRAY_WATTS, LOAD_WATTS)
        self._drift.advance(seconds)
        self._bias_ns += (self._drift.value - self._bias_ns / STEERING) * seconds
        self._signal.advance(seconds)
        self._notice(active)

    def _notice(self, active: Active) -> None:
        """Apply a clock jump: one step of the bias, once."""
        if "clock-jump" in active and not self._jumped:
            self._jumped = True
            self._bias_ns += JUMP_NS

    def report(self, at: float, active: Active) -> Mapping[str, Value]:
        self._notice(active)
        normal = self._noise.normal
        weak = WEAK_DB * ramp(active, "nav-amplifier-degradation", 240)
        # The monitor stations see it rise and set: slant range and antenna pattern, about 1 dB either way.
        height = circle.sine(2 * ORBIT.revolutions(at))
        # After a jump the frequency settles.
        settling = JUMP_PPB * JUMP_SETTLES / (JUMP_SETTLES + active.get("clock-jump", math.inf))
        return {
            "battery_soc": self._battery.charge,
            "bus_voltage": 50.0 - 0.6 * self._eclipsed + normal("bus_voltage", 0.03),
            "clock_drift_ppb": self._drift.value + settling + normal("clock_drift_ppb", 0.0005),
            "clock_bias_ns": self._bias_ns + normal("clock_bias_ns", 0.3),
            "nav_signal_power_dbm": SIGNAL_DBM + 0.6 * height + self._signal.value - weak,
            "nav_snr_db": 43 + 1.4 * height + self._signal.value + normal("nav_snr_db", 0.2) - weak,
        }


PROFILE = Profile(
    spacecraft_id="GNSS-Nav-Alpha",
    name="Nav Alpha",
    mission_type="GNSS",
    overview=(
        "Nav Alpha sends navigation signals from a medium Earth orbit, 26,560 km from the Earth's centre, twice around "
        "in a sidereal day. Its rubidium clock is steered from the ground so that its bias stays within tens of "
        "nanoseconds; one ppb of drift would add a nanosecond each second. Twice a year, for some weeks, the orbit "
        "passes through the Earth's shadow, up to 56 minutes each time, and the battery gives about a third of its "
        "charge. The 50 V bus is regulated and sags by half a volt on battery."
    ),
    parameters=(
        Parameter("battery_soc", "%", "battery state of charge", (30, 45, None, None)),
        Parameter("bus_voltage", "V", "regulated main bus", (46, 48, 51, 52)),
        Parameter("clock_drift_ppb", "ppb", "relative frequency offset of the active clock", (-0.1, -0.05, 0.05, 0.1)),
        Parameter("clock_bias_ns", "ns", "clock against system time", (-1000, -250, 250, 1000)),
        Parameter("nav_signal_power_dbm", "dBm", "L1 signal as the ground receives it", (-136, -132, -125, -123)),
        Parameter("nav_snr_db", "dB-Hz", "carrier to noise density at the monitor stations", (32, 36, None, None)),
    ),
    faults=(
        SimulatedFault(
            "clock-jump",
            "clock_bias_ns steps by 1.5 µs at once, and the frequency is off for an hour.",
            "a lamp or cavity event in the rubidium clock.",
            "mark the satellite unhealthy in the navigation message, switch to the standby clock, steer again.",
            ("clock_bias_ns", "clock_drift_ppb"),
        ),
        SimulatedFault(
            "nav-amplifier-degradation",
            "signal power and signal to noise fall by 12 dB within four minutes.",
            "a failing travelling-wave tube or its supply.",
            "switch to the redundant amplifier; the user equivalent range error grows until then.",
            ("nav_signal_power_dbm", "nav_snr_db"),
        ),
    ),
    model=_Navigator,
)
