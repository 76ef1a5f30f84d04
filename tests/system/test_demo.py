"""`missionops demo`: the first thing that anybody runs."""

import re
import signal

from tests.system.installed import Place
from tests.wait import until


def test_the_demo_finds_what_the_mission_found(place: Place) -> None:
    done = place.run("demo")
    assert done.code == 0, done
    for row in (
        r"snapshots sent\s+36,950",
        r"snapshots stored\s+36,950",
        r"HIGH\s+2,084",
        r"MEDIUM\s+5,574",
        r"optical receiver\s+2,294\s+2,294\s+0\s+0",
        r"camera\s+914\s+914\s+0\s+0",
        r"star tracker\s+575\s+575\s+0\s+0",
        r"7,658 anomalies are 15 alarms for an operator",
        r"HIGH\s+I_PD6_THETA\s+2020-11-15 00:46\s+2020-11-29 22:01\s+2,294",
        r"revised\s+HIGH\s+I_PD3_THETA\s+ended 04-17 21:42, not 04-16 18:57",
        r"raised late\s+HIGH\s+I_PD6_THETA\s+04-17 21:23 to 21:31",
        r"retracted\s+MEDIUM\s+I_PD2_THETA\s+of 04-17 23:29: part of another",
        r"The alarms are those of the half year in order, though a part of it came late\.",
    ):
        assert re.search(row, done.out), (row, done.out)
    assert "missionops up" in done.out
    assert (place.processes(), place.files()) == ({}, [])


def test_without_a_terminal_it_prints_plain_lines(place: Place) -> None:
    demo = place.start("demo")
    until(lambda: demo.out.count("\n") > 2, "its first lines")
    demo.interrupt()
    done = demo.end()
    assert done.code != 0
    assert "Traceback" not in done.err
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.out + done.err)
    assert (place.processes(), place.files()) == ({}, [])


def test_it_ends_in_order_when_terminated(place: Place) -> None:
    demo = place.start("demo")
    until(lambda: demo.out.count("\n") > 2, "its first lines")
    demo.signal(signal.SIGTERM)
    done = demo.end()
    assert done.code == 128 + signal.SIGTERM
    assert "Traceback" not in done.err
    assert (place.processes(), place.files()) == ({}, [])
