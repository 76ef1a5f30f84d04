"""`missionops test-limits`: files of tests, their differences and their exit codes."""

from importlib import resources
from pathlib import Path

import pytest
import typer

from missionops.cli.commands.limit_tests import test_limits as command
from missionops.cli.limit_tests import document, run, series, yaml_file
from missionops.errors import InvalidRequest

SAMPLE = Path(str(resources.files("missionops"))) / "samples" / "limit-tests.yaml"

HOT = """
config: {parameters: {temp: {warnHigh: 45, critHigh: 70, off: null}}}
tests:
  - name: hot
    series: {temp: 20 46x3 20}
"""


def exit_code(*paths: Path) -> int:
    with pytest.raises(typer.Exit) as ended:
        command(list(paths))
    return ended.value.exit_code


def differences(tmp_path: Path, expected: str) -> list[str]:
    file = tmp_path / "tests.yaml"
    file.write_text(HOT.replace(", off: null", "") + expected)
    (test,) = document.read(file)
    return run.run(test, "tests.0")


def test_the_sample_passes(capsys):
    assert exit_code(SAMPLE) == 0
    assert "7 of 7 tests passed." in capsys.readouterr().out


def test_a_test_that_fails_says_what_is_different_and_ends_with_1(tmp_path, capsys):
    file = tmp_path / "tests.yaml"
    file.write_text(HOT.replace(", off: null", "") + "    alarms: [{parameter: temp, severity: HIGH}]\n")
    assert exit_code(SAMPLE, file) == 1
    shown = capsys.readouterr().out
    assert "alarm differs: parameter temp, severity HIGH: severity is MEDIUM instead of HIGH" in shown
    assert "7 of 8 tests passed." in shown


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ("    alarms: [{parameter: temp, start: 1, end: 4, samples: 3}]", []),
        ("    alarms: [{parameter: temp}, {parameter: volt}]", ["missing alarm: parameter volt"]),
        ("    alarms: []", ["alarm not expected: parameter temp, severity MEDIUM"]),
        ("    alarms: [{start: 2, end: 4}]", ["alarm differs: start 2, end 4: start is 1 instead of 2"]),
        ("    anomalies: [{at: 1}, {at: 2, kind: WARN_HIGH}, {at: 3, value: 46}]", []),
        ("    anomalies: [{at: 1}, {at: 2}]", ["anomaly not expected: parameter temp, severity MEDIUM, at 3"]),
    ],
)
def test_each_difference_is_a_line(tmp_path, expected, found):
    assert differences(tmp_path, expected) == found


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("tests: [", "neither YAML nor JSON"),
        ("[]", "the document: "),
        ("{tests: []}", "tests: "),
        ("{config: {}, tests: [{name: 3, alarms: []}]}", "tests.0.name: "),
        ("{config: {}, tests: [{name: a, alarm: []}]}", "tests.0: "),
        ("{config: {}, tests: [{name: a}]}", "tests.0: expects nothing"),
        ("{tests: [{name: a, alarms: []}]}", "config: is missing"),
        ("{config: gone.json, tests: [{name: a, alarms: []}]}", "gone.json cannot be read"),
        ("{config: {parameters: {p: {warnLow: 2, warnHigh: 1}}}, tests: [{name: a, alarms: []}]}",
         "config.parameters.p.warnHigh: "),
        ("{tests: [{name: a, config: {clock: 3}, alarms: []}]}", "tests.0.config.clock: "),
        ("{config: {}, tests: [{name: a, series: {p: 1x100001}, alarms: []}]}", "tests.0.series.p holds more than"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_file_of_tests_ends_with_2_and_its_place_is_named(tmp_path, capsys, text, place):
    file = tmp_path / "tests.yaml"
    file.write_text(text)
    assert exit_code(file) == 2
    assert place in capsys.readouterr().err.replace("\n", " ")


def test_a_config_may_be_a_file_beside_it_as_get_config_prints_it(tmp_path):
    (tmp_path / "limits.json").write_text(
        '{"spacecraftId": "SC-1", "config": {"parameters": {"temp": {"warnHigh": 1}}}, "version": 3}'
    )
    (tmp_path / "tests.yaml").write_text("{config: limits.json, tests: [{name: a, series: {temp: 2}, alarms: [{}]}]}")
    with pytest.raises(InvalidRequest, match="series"):  # a number alone is neither a text nor a list
        document.read(tmp_path / "tests.yaml")
    (tmp_path / "tests.yaml").write_text("{config: limits.json, tests: [{name: a, series: {temp: [2]}, alarms: [{}]}]}")
    (test,) = document.read(tmp_path / "tests.yaml")
    assert run.run(test, "tests.0") == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("1 -2.5 SAFE true false null _", [1, -2.5, "SAFE", True, False, None, series.NOT_REPORTED]),
        ("46x3", [46, 46, 46]),
        ("SAFEx2 _x2", ["SAFE", "SAFE", series.NOT_REPORTED, series.NOT_REPORTED]),
        ("20+0.5x3 3-1x2", [20, 20.5, 21, 21.5, 3, 2, 1]),
        (["a b", "46x3", "_", 1, None], ["a b", "46x3", series.NOT_REPORTED, 1, None]),
        ("18446744073709551615", [2**64 - 1]),
        ("", []),
    ],
)
def test_a_series_is_written_as_a_person_would(given, expected):
    assert series.values(given, "series.p") == expected


def test_yaml_has_the_values_of_json_and_no_others():
    text = b"{off: yes, 12:30: 2025-01-01, true: [1, 010, 1e3, 0x1, ~, null, false, 1_000], 3: .5}"
    assert yaml_file.read(text, "x") == {
        "off": "yes", "12:30": "2025-01-01", "true": [1, "010", 1000.0, "0x1", None, None, False, "1_000"], "3": ".5",
    }  # fmt: skip
