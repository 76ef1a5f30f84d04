"""Sat-Imager-001: takes pictures from a sun-synchronous orbit, 515 km up, the sun at 10:30 in the morning."""

from collections.abc import Mapping

from missionops.domain.parameter_set import Value
from missionops.simulator import circle, lag
from missionops.simulator.battery import Battery
from missionops.simulator.fault import Active, SimulatedFault, ramp
from missionops.simulator.noise import Noise, Walk
from missionops.simulator.orbit import EARTH_RADIUS_KM, Orbit
from missionops.simulator.profile import Parameter, Profile

ORBIT = Orbit(EARTH_RADIUS_KM + 515)
BETA_SINE = 0.382683
"""Of 22.5°: an hour and a half before noon."""
ARRAY_WATTS, BUS_WATTS, CAMERA_WATTS = 180.0, 62.0, 55.0
CAPACITY_WH = 172.0
CELLS = 8
LAUNCH = 762_523_200.0
"""1 March 2024, in seconds after J2000."""
PICTURES = 48
"""In each pass, on the sunlit side."""
PASS_BEGINS, PASS_ENDS = 0.95, 1.05
DOWNLINK_BEGINS, DOWNLINK_ENDS = 0.24, 0.29
DESATURATION = 4
"""Orbits until the magnetic torquers take the wheels' momentum away."""


class _Imager:
    def __init__(self, noise: Noise) -> None:
        self._noise = noise
        self._battery = Battery(CAPACITY_WH)
        self._array_watts = 0.0
        self._battery_temp, self._panel_temp, self._payload_temp = 16.0, 20.0, 18.0
        self._pointing = Walk(noise, "attitude_error_deg", 0.003, 200)

    def advance(self, seconds: float, at: float, active: Active) -> None:
        phase = circle.fraction(ORBIT.revolutions(at))
        imaging = _mode(phase) == "IMAGING"
        eclipsed = ORBIT.is_eclipsed(phase, BETA_SINE)
        load = BUS_WATTS + CAMERA_WATTS * imaging
        self._array_watts = self._battery.advance(seconds, 0.0 if eclipsed else ARRAY_WATTS, load)
        self._pointing.advance(seconds)
        heat = abs(self._battery.power) / 30 + 35 * ramp(active, "battery-cell-short", 60)
        self._battery_temp = lag.toward(self._battery_temp, 14 + heat, seconds, 900)
        self._panel_temp = lag.toward(self._panel_temp, -48 if eclipsed else 64, seconds, 480)
        warm = 20 * imaging + 45 * ramp(active, "payload-overheating", 60)
        self._payload_temp = lag.toward(self._payload_temp, 17 + warm, seconds, 420)

    def report(self, at: float, active: Active) -> Mapping[str, Value]:
        revolutions = ORBIT.revolutions(at)
        normal = self._noise.normal
        cells = CELLS - (1 if "battery-cell-short" in active else 0)
        voltage = self._battery.voltage(cells, 0.12)
        slewing = 0.03 if _mode(circle.fraction(revolutions)) == "IMAGING" else 0.0
        stuck = ramp(active, "reaction-wheel-friction", 300)
        pointing = abs(0.018 + self._pointing.value + normal("attitude_error_deg", 0.002))
        # Gravity gradient once and twice an orbit, and accumulated drag; wheel 2 takes over when wheel 1 is stuck.
        stored = 900 * circle.fraction(revolutions / DESATURATION)
        rw1 = (1700 + 500 * circle.sine(revolutions) + stored) * (1 - 0.9 * stuck)
        rw2 = -1500 + 420 * circle.sine(2 * revolutions + 0.1) - 0.6 * stored - 4300 * stuck
        # The pictures taken so far: a fixed number in each pass, one after another.
        since_pass = revolutions - int(ORBIT.revolutions(LAUNCH)) - PASS_BEGINS
        done = min(circle.fraction(since_pass) / (PASS_ENDS - PASS_BEGINS), 1.0)
        pictures = max(int(since_pass // 1) * PICTURES + int(done * PICTURES), 0)
        return {
            "battery_soc": self._battery.charge,
            "battery_temp": self._battery_temp + normal("battery_temp", 0.1),
            "bus_voltage": voltage + normal("bus_voltage", 0.02),
            "solar_array_current": max(self._array_watts / voltage + normal("solar_array_current", 0.01), 0.0),
            "panel_temp": self._panel_temp + normal("panel_temp", 0.3),
            "payload_temp": self._payload_temp + normal("payload_temp", 0.1),
            "attitude_error_deg": pointing + slewing + 0.9 * stuck,
            "rw1_speed_rpm": rw1 + normal("rw1_speed_rpm", 6),
            "rw2_speed_rpm": rw2 + normal("rw2_speed_rpm", 6),
            "images_captured": pictures,
            "imaging_mode": _mode(circle.fraction(revolutions)),
        }


def _mode(phase: float) -> str:
    if phase >= PASS_BEGINS or phase < PASS_ENDS - 1:
        return "IMAGING"
    return "DOWNLINK" if DOWNLINK_BEGINS <= phase < DOWNLINK_ENDS else "IDLE"


PROFILE = Profile(
    spacecraft_id="Sat-Imager-001",
    name="Sat-Imager 1",
    mission_type="LEO imaging",
    overview=(
        "Sat-Imager 1 takes pictures of the Earth from a sun-synchronous orbit 515 km up, one revolution in 95 minutes "
        "with 35 of them in the Earth's shadow. It images around noon of each orbit (IMAGING), sends the pictures to "
        "the ground a quarter of an orbit later (DOWNLINK) and is IDLE otherwise. In the shadow the battery carries "
        "the whole bus: about a fifth of its charge is used and comes back within half an hour of sunlight. Two "
        "reaction wheels hold the attitude; magnetic torquers unload them every fourth orbit."
    ),
    parameters=(
        Parameter("battery_soc", "%", "battery state of charge", (30, 50, None, None)),
        Parameter("battery_temp", "°C", "battery temperature", (-5, 0, 35, 45)),
        Parameter("bus_voltage", "V", "main bus, eight lithium-ion cells, unregulated", (28, 29.8, 33.9, 34.5)),
        Parameter("solar_array_current", "A", "what the array delivers; 0 in the shadow", (None, None, 6.5, 7.5)),
        Parameter("panel_temp", "°C", "solar panel temperature", (-75, -60, 80, 95)),
        Parameter("payload_temp", "°C", "camera temperature", (-10, 0, 42, 52)),
        Parameter("attitude_error_deg", "°", "angle between commanded and measured attitude", (None, None, 0.2, 0.5)),
        Parameter("rw1_speed_rpm", "rpm", "speed of reaction wheel 1", (-5500, -4500, 4500, 5500)),
        Parameter("rw2_speed_rpm", "rpm", "speed of reaction wheel 2", (-5500, -4500, 4500, 5500)),
        Parameter("images_captured", "", "pictures taken since launch"),
        Parameter("imaging_mode", "", "IDLE, IMAGING or DOWNLINK"),
    ),
    faults=(
        SimulatedFault(
            "battery-cell-short",
            "the bus drops by one cell's voltage at once, and the battery grows hot within minutes.",
            "an internal short circuit in one of the eight cells.",
            "stop imaging, lower the charge current, keep battery_temp below 45 °C with the radiator side to space.",
            ("bus_voltage", "battery_temp"),
        ),
        SimulatedFault(
            "reaction-wheel-friction",
            "wheel 1 slows down within five minutes, wheel 2 runs away and pointing is lost.",
            "bearing friction beyond what the motor can overcome.",
            "stop imaging, switch wheel 1 off, hold the attitude by magnetic torquers and wheel 2.",
            ("attitude_error_deg", "rw2_speed_rpm"),
        ),
        SimulatedFault(
            "payload-overheating",
            "payload_temp rises by some 45 °C with a time constant of seven minutes.",
            "a camera heater that does not switch off.",
            "switch the heater line off, then the camera; images are usable again below 30 °C.",
            ("payload_temp",),
        ),
    ),
    model=_Imager,
)
