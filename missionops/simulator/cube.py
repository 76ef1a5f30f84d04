"""Cube-001: a CubeSat of one litre, 420 km up, controlled by magnetic torquers and received by radio amateurs."""

from collections.abc import Mapping

from missionops.domain.parameter_set import Value
from missionops.simulator import circle
from missionops.simulator.battery import Battery
from missionops.simulator.fault import Active, SimulatedFault, ramp
from missionops.simulator.noise import Noise, Walk
from missionops.simulator.orbit import DAY, EARTH_RADIUS_KM, Orbit
from missionops.simulator.profile import Parameter, Profile

ORBIT = Orbit(EARTH_RADIUS_KM + 420)
NODE_DAYS = 60.0
"""Days in which the plane of an orbit inclined by 51.6° turns once against the sun."""
PANEL_WATTS, BUS_WATTS, BEACON_WATTS = 4.4, 1.3, 0.6
CAPACITY_WH = 9.0
PASSES = 6
"""Stations that receive the beacon one after another on each orbit."""
FLOOR_DBM, NOISE_DBM = -138.0, -126.0
PAYLOAD_BEGINS, PAYLOAD_ENDS = 0.1, 0.25
SAFE_DEG, SAFE_CHARGE = 20.0, 35.0


class _Cube:
    def __init__(self, noise: Noise) -> None:
        self._noise = noise
        self._battery = Battery(CAPACITY_WH)
        self._eclipsed = False
        self._wobble = Walk(noise, "attitude_error_deg", 0.6, 600)
        self._fading = Walk(noise, "beacon_rssi_dbm", 0.5, 60)

    def advance(self, seconds: float, at: float, active: Active) -> None:
        revolutions = ORBIT.revolutions(at)
        self._eclipsed = ORBIT.is_eclipsed(circle.fraction(revolutions), 0.9 * circle.sine(at / DAY / NODE_DAYS))
        # It turns slowly, so its sides face the sun in turn.
        sunlight = 0.0 if self._eclipsed else PANEL_WATTS * (0.85 + 0.15 * circle.sine(7 * revolutions))
        beacon = 0.0 if "beacon-loss" in active else BEACON_WATTS
        self._battery.advance(seconds, sunlight, BUS_WATTS + beacon)
        self._wobble.advance(seconds)
        self._fading.advance(seconds)

    def report(self, at: float, active: Active) -> Mapping[str, Value]:
        normal = self._noise.normal
        revolutions = ORBIT.revolutions(at)
        stuck = ramp(active, "magnetorquer-stuck", 600)
        error = abs(3.5 + 1.2 * circle.sine(2 * revolutions) + self._wobble.value) + 38 * stuck
        # The torque goes with the Earth's field, which turns twice as the spacecraft turns once.
        current = 38 * circle.sine(2 * revolutions + 0.2) + normal("magnetorquer_current_ma", 3)
        rssi = FLOOR_DBM
        if "beacon-loss" not in active:
            # The free-space path is shortest at the highest elevation: some 12 dB from the horizon to there.
            rssi = -114 + 11 * circle.sine(circle.fraction(PASSES * revolutions) / 2) + self._fading.value
        rssi += normal("beacon_rssi_dbm", 0.3)
        if error > SAFE_DEG or self._battery.charge < SAFE_CHARGE:
            mode = "SAFE"
        elif self._eclipsed:
            mode = "BEACON"
        else:
            mode = "PAYLOAD" if PAYLOAD_BEGINS <= circle.fraction(revolutions) < PAYLOAD_ENDS else "NOMINAL"
        return {
            "battery_soc": self._battery.charge,
            "bus_voltage": self._battery.voltage(2, 0.25) + normal("bus_voltage", 0.01),
            "attitude_error_deg": error,
            "magnetorquer_current_ma": 195 + 0.1 * current if "magnetorquer-stuck" in active else current,
            "beacon_rssi_dbm": rssi,
            "beacon_snr_db": rssi - NOISE_DBM + normal("beacon_snr_db", 0.3),
            "mode": mode,
        }


PROFILE = Profile(
    spacecraft_id="Cube-001",
    name="Cube 1",
    mission_type="CubeSat",
    overview=(
        "Cube 1 is a one-unit CubeSat in an orbit of 420 km, inclined by 51.6°, one revolution in 93 minutes. It holds "
        "its attitude to a few degrees by magnetic torquers alone. Stations of radio amateurs hear its beacon in turn "
        "and forward how well. Mode is NOMINAL in sunlight, PAYLOAD in the afternoon of each orbit, BEACON in the "
        "shadow, and SAFE when pointing is lost or the battery is low."
    ),
    parameters=(
        Parameter("battery_soc", "%", "battery state of charge", (30, 50, None, None)),
        Parameter("bus_voltage", "V", "two lithium-ion cells, unregulated", (6.6, 7.2, 8.45, 8.6)),
        Parameter("attitude_error_deg", "°", "angle between commanded and measured attitude", (None, None, 12, 25)),
        Parameter("magnetorquer_current_ma", "mA", "current of the strongest torquer", (-180, -120, 120, 180)),
        Parameter("beacon_rssi_dbm", "dBm", "beacon as the best station receives it", (-130, -122, None, None)),
        Parameter("beacon_snr_db", "dB", "beacon over the noise at that station", (2, 5, None, None)),
        Parameter("mode", "", "NOMINAL, PAYLOAD, BEACON or SAFE"),
    ),
    faults=(
        SimulatedFault(
            "beacon-loss",
            "no station hears the beacon any more: signal at the floor of the receivers.",
            "the transmitter's amplifier is off or its antenna connection broke.",
            "command a reset of the radio, then switch to the second transmitter.",
            ("beacon_rssi_dbm", "beacon_snr_db"),
        ),
        SimulatedFault(
            "magnetorquer-stuck",
            "the current stands at 195 mA, the attitude drifts away within ten minutes, mode becomes SAFE.",
            "a driver transistor that no longer opens.",
            "cut the torquer's supply, wait until the spacecraft stops tumbling, use the other two axes.",
            ("magnetorquer_current_ma", "attitude_error_deg"),
        ),
    ),
    model=_Cube,
)
