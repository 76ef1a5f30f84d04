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
