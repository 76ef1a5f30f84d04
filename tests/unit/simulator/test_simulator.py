"""The simulated missions: reproducible, quiet when nothing is broken, loud in the right place when something is."""

import hashlib
import itertools
import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from missionops.domain import anomaly, limits, spacecraft, timestamp
from missionops.domain.anomaly import Anomaly
from missionops.domain.snapshot import Snapshot
from missionops.errors import InvalidRequest
from missionops.simulator import circle, course, fault, fleet, handbook, lag, orbit, sat_imager
from missionops.simulator.battery import Battery
from missionops.simulator.course import Course, Report
from missionops.simulator.fault import Injection
from missionops.simulator.noise import Noise
from missionops.simulator.orbit import EARTH_RADIUS_KM, Orbit
from missionops.simulator.profile import Profile

EQUINOX = datetime(2026, 3, 20, 12, tzinfo=UTC)
SOLSTICE = datetime(2026, 6, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FAULTS = [(profile, one) for profile in fleet.PROFILES for one in profile.faults]

each_profile = pytest.mark.parametrize("profile", fleet.PROFILES, ids=lambda profile: profile.spacecraft_id)


def fly(
    profile: Profile,
    count: int = 120,
    *,
    seed: int = 1,
    end: datetime = EQUINOX,
    interval: timedelta = MINUTE,
    faults: Iterable[str] = (),
) -> list[Report]:
    injections = fleet.inject(faults)[profile.spacecraft_id]
    return list(course.history(profile, seed, course.moments(end, count, interval), injections))


def values(report: Report) -> dict[str, Any]:
    return dict(report.parameters)


def judged(profile: Profile, reports: Iterable[Report]) -> list[Anomaly]:
    rules = limits.compile_rules(profile.config)
    found: list[Anomaly] = []
    for report in reports:
        time = timestamp.to_microseconds(report.timestamp)
        said = Snapshot((report.spacecraft_id, time, "ts"), report.parameters)
        found += anomaly.judge(said, rules, 1, time)
    return found


# Profiles


def test_there_are_the_four_missions_with_their_parameters() -> None:
    assert {profile.spacecraft_id: " ".join(p.name for p in profile.parameters) for profile in fleet.PROFILES} == {
        "Sat-Imager-001": "battery_soc battery_temp bus_voltage solar_array_current panel_temp payload_temp "
        "attitude_error_deg rw1_speed_rpm rw2_speed_rpm images_captured imaging_mode",
        "GNSS-Nav-Alpha": "battery_soc bus_voltage clock_drift_ppb clock_bias_ns nav_signal_power_dbm nav_snr_db",
        "GEO-Comms-01": "battery_soc bus_voltage payload_power_w transponder_load_pct uplink_snr_db downlink_snr_db "
        "bus_temp payload_temp",
        "Cube-001": "battery_soc bus_voltage attitude_error_deg magnetorquer_current_ma beacon_rssi_dbm beacon_snr_db "
        "mode",
    }


@each_profile
def test_a_profile_is_fit_to_be_used(profile: Profile) -> None:
    assert spacecraft.is_id(profile.spacecraft_id)
    rules = limits.compile_rules(profile.config)
    assert rules.keys() >= {name for one in profile.faults for name in one.parameters}
    assert len(profile.faults) >= 2
    for report in fly(profile, 3):
        assert list(report.parameters) == [parameter.name for parameter in profile.parameters]


@each_profile
def test_the_documents_have_ids_that_stay_and_name_what_matters(profile: Profile) -> None:
    overview, reference, troubleshooting = handbook.documents(profile)
    prefix = profile.spacecraft_id.lower()
    assert [overview.id, reference.id, troubleshooting.id] == [
        f"{prefix}-overview", f"{prefix}-reference", f"{prefix}-troubleshooting",
    ]  # fmt: skip
    assert all(f"- {parameter.name}" in reference.body for parameter in profile.parameters)
    assert all(one.name in troubleshooting.body and one.action in troubleshooting.body for one in profile.faults)
    assert len(overview.body) > 300


# Reproducible


def test_these_values_are_the_same_everywhere() -> None:
    """Pinned: another machine, Python or process that computes otherwise fails here."""
    digest = hashlib.sha256()
    for profile in fleet.PROFILES:
        for report in fly(profile, seed=7, faults=[f"{one.name}@t+1800" for one in profile.faults]):
            digest.update(repr(report).encode())
    assert digest.hexdigest()[:16] == "5e844b5ab66a3530"


@each_profile
def test_the_seed_and_the_times_decide_everything(profile: Profile) -> None:
    assert fly(profile, 20) == fly(profile, 20)
    assert fly(profile, 20) != fly(profile, 20, seed=2)
    one_by_one = Course(profile, 1, EQUINOX - 19 * MINUTE)
    assert [one_by_one.report(report.timestamp) for report in fly(profile, 20)] == fly(profile, 20)


@each_profile
def test_values_have_at_most_six_digits_after_the_point(profile: Profile) -> None:
    for report in fly(profile, 30):
        for value in report.parameters.values():
            if isinstance(value, float):
                assert value == round(value, 6)
                assert math.copysign(1, value) == 1 or value < 0  # no -0.0


@each_profile
def test_one_fault_changes_nothing_before_it_begins(profile: Profile) -> None:
    for one in profile.faults:
        assert fly(profile, 30, faults=[f"{one.name}@t+600"])[:10] == fly(profile, 30)[:10]


def test_moments_end_where_they_shall() -> None:
    assert course.moments(EQUINOX, 3, MINUTE) == [EQUINOX - 2 * MINUTE, EQUINOX - MINUTE, EQUINOX]


# Quiet or loud


@each_profile
def test_nothing_is_outside_its_limits_while_nothing_is_broken(profile: Profile) -> None:
    for seed in range(2):
        for end in (EQUINOX, SOLSTICE, EQUINOX + timedelta(days=45 + 26 * seed)):
            assert not judged(profile, fly(profile, 300, seed=seed, end=end, interval=5 * MINUTE))


@pytest.mark.parametrize(("profile", "one"), FAULTS, ids=lambda value: getattr(value, "name", None))
def test_each_fault_puts_its_parameters_outside_of_their_limits(profile: Profile, one: fault.SimulatedFault) -> None:
    for seed in range(2):
        for hour in (0, 17):
            reports = fly(profile, 70, seed=seed, end=EQUINOX + timedelta(hours=hour), faults=[f"{one.name}@t+600"])
            found = judged(profile, reports)
            assert {each.parameter for each in found} == set(one.parameters)
            assert min(each.timestamp for each in found) >= reports[10].timestamp


def test_a_fault_begins_at_once_where_no_time_is_given() -> None:
    cube = fleet.find(["cube-001"])[0]
    assert {each.parameter for each in judged(cube, fly(cube, 1, faults=["beacon-loss"]))} == {
        "beacon_rssi_dbm", "beacon_snr_db",
    }  # fmt: skip


def test_the_earlier_of_two_equal_faults_counts() -> None:
    cube = fleet.find(["Cube-001"])[0]
    assert fly(cube, faults=["beacon-loss@t+600", "beacon-loss@t+60"]) == fly(cube, faults=["beacon-loss@t+60"])


# Faults by name


def test_a_fault_is_read() -> None:
    assert fault.parse("clock-jump@t+300") == Injection(None, "clock-jump", 300)
    assert fault.parse("clock-jump") == Injection(None, "clock-jump", 0)
    assert fault.parse("Cube-001/beacon-loss@t+0") == Injection("Cube-001", "beacon-loss", 0)


@pytest.mark.parametrize(
    "text", ["", "clock jump", "clock-jump@300", "clock-jump@t+", "clock-jump@t-1", "a/b/c", "@t+1"]
)
def test_what_is_no_fault_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(InvalidRequest, match="is no fault such as battery-cell-short@t\\+300"):
        fault.parse(text)


def test_an_unknown_fault_names_those_that_there_are() -> None:
    cube = fleet.find(["Cube-001"])
    with pytest.raises(InvalidRequest, match="no fault 'clock-jump' of Cube-001; there is beacon-loss, magnet"):
        fleet.inject(["clock-jump"], cube)
    with pytest.raises(InvalidRequest, match="No profile here is called 'GNSS-Nav-Alpha'; there is Cube-001"):
        fleet.inject(["GNSS-Nav-Alpha/clock-jump"], cube)
    with pytest.raises(InvalidRequest, match="no profile 'SC-9'; there are Sat-Imager-001"):
        fleet.find(["SC-9"])


def test_a_fault_goes_to_whoever_can_have_it() -> None:
    injected = fleet.inject(["beacon-loss@t+5", "Cube-001/magnetorquer-stuck"])
    assert [one.name for one in injected["Cube-001"]] == ["beacon-loss", "magnetorquer-stuck"]
    assert not injected["Sat-Imager-001"]


# Physics


@given(st.floats(-1e6, 1e6))
def test_the_sine_is_a_sine(turns: float) -> None:
    assert circle.sine(turns) == pytest.approx(math.sin(2 * math.pi * math.fmod(turns, 1)), abs=1e-8)
    assert circle.sine(turns) ** 2 + circle.cosine(turns) ** 2 == pytest.approx(1, abs=1e-8)


@given(st.floats(-100, 100), st.floats(-100, 100), st.floats(0, 1e6), st.floats(1, 1e6))
def test_a_lag_ends_between_where_it_is_and_where_it_goes(
    value: float, target: float, seconds: float, constant: float
) -> None:
    low, high = sorted((value, target))
    assert low - 1e-9 <= lag.toward(value, target, seconds, constant) <= high + 1e-9


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0, 500), st.floats(0, 600)), max_size=30))
def test_a_battery_neither_overflows_nor_makes_energy(steps: list[tuple[float, float, float]]) -> None:
    battery = Battery(100, 50)
    for array, load, seconds in steps:
        before = battery.charge
        given_power = battery.advance(seconds, array, load)
        assert 0 <= battery.charge <= 100
        assert 0 <= given_power <= array
        stored = (battery.charge - before) / 100 * 100 * 3600
        assert stored <= max(array - load, 0) * seconds + 1e-6


@settings(max_examples=30)
@given(st.floats(0, 0.99))
def test_the_shadow_is_around_midnight_and_smaller_the_higher_the_sun(beta_sine: float) -> None:
    low = Orbit(EARTH_RADIUS_KM + 515)
    phases = [number / 500 for number in range(500)]
    dark = [phase for phase in phases if low.is_eclipsed(phase, beta_sine)]
    assert all(abs(phase - 0.5) < 0.25 for phase in dark)
    assert len(dark) <= len([phase for phase in phases if low.is_eclipsed(phase, 0)])


def test_orbits_take_as_long_as_they_take() -> None:
    assert Orbit(42_164).period == pytest.approx(86_164, abs=5)
    assert Orbit(26_560).period == pytest.approx(43_077, abs=5)
    assert sat_imager.ORBIT.period / 60 == pytest.approx(94.9, abs=0.3)


def test_the_sun_is_highest_in_june_and_on_the_equator_in_march() -> None:
    seconds = [(moment - course.J2000).total_seconds() for moment in (EQUINOX, SOLSTICE)]
    assert orbit.declination_sine(seconds[0]) == pytest.approx(0, abs=0.01)
    assert orbit.declination_sine(seconds[1]) == pytest.approx(0.3978, abs=0.001)


def test_the_imager_draws_on_its_battery_in_the_shadow_and_charges_in_the_light() -> None:
    reports = [values(report) for report in fly(sat_imager.PROFILE, 190)]
    for before, after in itertools.pairwise(reports):
        if before["solar_array_current"] == 0 == after["solar_array_current"]:
            assert after["battery_soc"] < before["battery_soc"]
    charges = [report["battery_soc"] for report in reports]
    assert max(charges) - min(charges) > 10
    dark = [report["panel_temp"] for report in reports if report["solar_array_current"] == 0]
    light = [report["panel_temp"] for report in reports if report["solar_array_current"] != 0]
    assert min(dark) < -40
    assert max(light) > 60
    assert {report["imaging_mode"] for report in reports} == {"IDLE", "IMAGING", "DOWNLINK"}


def test_pictures_are_counted_while_imaging_and_never_lost() -> None:
    reports = [values(report) for report in fly(sat_imager.PROFILE, 400)]
    for before, after in itertools.pairwise(reports):
        assert before["images_captured"] <= after["images_captured"]
        if "IMAGING" not in {before["imaging_mode"], after["imaging_mode"]}:
            assert before["images_captured"] == after["images_captured"]
    assert reports[-1]["images_captured"] - reports[0]["images_captured"] > 100


def test_the_geostationary_one_is_eclipsed_at_the_equinox_only() -> None:
    geo = fleet.find(["GEO-Comms-01"])[0]
    dark = [report for report in fly(geo, 1440) if values(report)["bus_voltage"] < 99.4]
    assert 65 <= len(dark) <= 75
    midnight = datetime(2026, 3, 19, 22, 43, tzinfo=UTC)  # at 19.2° east
    assert all(abs(report.timestamp - midnight) < timedelta(minutes=38) for report in dark)
    assert min(values(report)["battery_soc"] for report in fly(geo, 1440)) < 70
    assert min(values(report)["battery_soc"] for report in fly(geo, 1440, end=SOLSTICE)) > 99


def test_chance_has_a_stream_for_each_name() -> None:
    alone, beside = Noise(1, "SC-1"), Noise(1, "SC-1")
    beside.normal("other")
    assert [alone.normal("a") for _ in range(5)] == [beside.normal("a") for _ in range(5)]
    draws = [alone.normal("b") for _ in range(2000)]
    assert sum(draws) / 2000 == pytest.approx(0, abs=0.1)
    assert sum(draw * draw for draw in draws) / 2000 == pytest.approx(1, abs=0.15)
    assert max(map(abs, draws)) <= 6
