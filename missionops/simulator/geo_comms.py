"""GEO-Comms-01: relays television and data from above 19.2° east; in eclipse around midnight near the equinoxes."""

from collections.abc import Mapping

from missionops.domain.parameter_set import Value
from missionops.simulator import circle, lag, orbit
from missionops.simulator.battery import Battery
from missionops.simulator.fault import Active, SimulatedFault, ramp
from missionops.simulator.noise import Noise, Walk
from missionops.simulator.orbit import Orbit
from missionops.simulator.profile import Parameter, Profile

ORBIT = Orbit(42_164)
LONGITUDE = 19.2
ARRAY_WATTS, BUS_WATTS = 7_500.0, 900.0
CAPACITY_WH = 14_000.0
BUSIEST = 0.83
"""About eight in the evening."""


class _Relay:
    def __init__(self, noise: Noise) -> None:
        self._noise = noise
        self._battery = Battery(CAPACITY_WH, 99.5)
        self._eclipsed = False
        self._bus_temp, self._payload_temp = 22.0, 38.0
        self._traffic = Walk(noise, "transponder_load_pct", 2.5, 1_800)
        self._sky = Walk(noise, "uplink_snr_db", 0.25, 1_200)
        self._load = 50.0

    def advance(self, seconds: float, at: float, active: Active) -> None:
        # The plane of the orbit is the equator's, so the sun's declination is its beta; its phase is the local time.
        self._eclipsed = ORBIT.is_eclipsed(local_time(at) + 0.5, orbit.declination_sine(at))
        self._traffic.advance(seconds)
        self._sky.advance(seconds)
        self._load = self._transponder_load(at, active)
        self._battery.advance(
            seconds, 0.0 if self._eclipsed else ARRAY_WATTS, BUS_WATTS + _payload_watts(self._load, active)
        )
        outside = -6 if self._eclipsed else 3 * circle.sine(local_time(at) - 0.25)
        self._bus_temp = lag.toward(self._bus_temp, 22 + outside, seconds, 3_600)
        heat = 0.12 * (self._load - 50) + 32 * ramp(active, "heat-pipe-failure", 120)
        self._payload_temp = lag.toward(self._payload_temp, 38 + heat + outside / 2, seconds, 600)

    def _transponder_load(self, at: float, active: Active) -> float:
        usual = 52 + 18 * circle.cosine(local_time(at) - BUSIEST) + self._traffic.value
        return usual + (99.3 - usual) * ramp(active, "transponder-saturation", 120)

    def report(self, at: float, active: Active) -> Mapping[str, Value]:
        load = self._transponder_load(at, active)
        normal = self._noise.normal
        saturated = ramp(active, "transponder-saturation", 120)
        disturbed = ramp(active, "uplink-interference", 30)
        rain = self._sky.value
        return {
            "battery_soc": self._battery.charge,
            "bus_voltage": 100.0 - 1.2 * self._eclipsed + normal("bus_voltage", 0.05),
            "payload_power_w": _payload_watts(load, active) + normal("payload_power_w", 6),
            "transponder_load_pct": min(load + normal("transponder_load_pct", 0.1), 100.0),
            "uplink_snr_db": 18 + rain + normal("uplink_snr_db", 0.15) - 8.5 * disturbed,
            # Intermodulation of a saturated tube costs more than its power brings.
            "downlink_snr_db": 15.5 + 0.6 * rain + normal("downlink_snr_db", 0.15) - 5 * saturated - disturbed,
            "bus_temp": self._bus_temp + normal("bus_temp", 0.1),
            "payload_temp": self._payload_temp + normal("payload_temp", 0.1),
        }


def local_time(at: float) -> float:
    """The solar time below the satellite in days, from midnight; J2000 is noon in Greenwich."""
    return circle.fraction(at / orbit.DAY + 0.5 + LONGITUDE / 360)


def _payload_watts(load: float, active: Active) -> float:
    return 2_400 + 18 * load + 450 * ramp(active, "transponder-saturation", 120)


PROFILE = Profile(
    spacecraft_id="GEO-Comms-01",
    name="GEO Comms 1",
    mission_type="GEO communications",
    overview=(
        "GEO Comms 1 relays television and data from the geostationary orbit above 19.2° east. Its transponders are "
        "busiest at eight in the evening and quietest in the morning; payload power and temperature follow. Around the "
        "equinoxes (end of February to mid-April, end of August to mid-October) the Earth's shadow covers it around "
        "local midnight, at most for 70 minutes, and the battery carries all transponders. The 100 V bus is regulated "
        "and sags by a volt on battery."
    ),
    parameters=(
        Parameter("battery_soc", "%", "battery state of charge", (30, 45, None, None)),
        Parameter("bus_voltage", "V", "regulated main bus", (94, 97, 102, 104)),
        Parameter("payload_power_w", "W", "what the transponders use", (1000, 2000, 4400, 4900)),
        Parameter("transponder_load_pct", "%", "share of the transponders' capacity in use", (None, None, 92, 98)),
        Parameter("uplink_snr_db", "dB", "signal to noise of the uplink", (8, 13, None, None)),
        Parameter("downlink_snr_db", "dB", "signal to noise of the downlink", (8, 12, None, None)),
        Parameter("bus_temp", "°C", "equipment panel temperature", (0, 5, 40, 50)),
        Parameter("payload_temp", "°C", "travelling-wave tube baseplate temperature", (0, 10, 55, 65)),
    ),
    faults=(
        SimulatedFault(
            "transponder-saturation",
            "the load goes to 99 % within two minutes, payload power rises and the downlink loses 5 dB.",
            "an uplink carrier with too much power drives a transponder into saturation.",
            "find the carrier with the spectrum monitor, have its station lower its power, raise the attenuator.",
            ("transponder_load_pct", "payload_power_w", "downlink_snr_db"),
        ),
        SimulatedFault(
            "uplink-interference",
            "uplink_snr_db falls by 8 dB within half a minute while the load stays as it is.",
            "a station on the ground that points at the wrong satellite or sends on the wrong frequency.",
            "locate it by the neighbouring satellite, move the traffic to another transponder.",
            ("uplink_snr_db",),
        ),
        SimulatedFault(
            "heat-pipe-failure",
            "payload_temp rises by some 30 °C with a time constant of ten minutes.",
            "a heat pipe of the payload panel lost its working fluid.",
            "switch off the tubes on that panel one after another until payload_temp falls below 55 °C.",
            ("payload_temp",),
        ),
    ),
    model=_Relay,
)
