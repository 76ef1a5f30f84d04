"""Files of telemetry, right and nearly right, through `publish`: all that is whole in them is taken."""

import gzip
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.system import installed
from tests.system.installed import Done, Place, Up
from tests.wait import until

TIME = "2031-03-05T13:00:00Z"
CSV = """station,heard_at,time,mode,bus_v,tx_temp,flags,spare
alpha,2031-03-05T16:00:00Z,2000-06-01T04:00:00Z,2,7.150,-11.500,0x0A,
alpha,2031-03-05T16:00:10Z,2000-06-01T04:00:10Z,2,+5.9,.5,0x0A,nan
"""
MEGABYTE = 1 << 20


def snapshot(second: int, **parameters: Any) -> dict[str, Any]:
    return {"timestamp": f"2031-03-05T13:00:{second:02}Z", "parameters": parameters}


@pytest.fixture
def publish(place: Place, up: Up) -> Callable[..., Done]:
    """Publishes a file of this content."""

    def publish(content: bytes, *arguments: str, name: str = "file.json") -> Done:
        (place.work / name).write_bytes(content)
        return place.run("publish", *arguments, "--file", name, "--server", up.nats)

    return publish


@pytest.fixture
def stored(place: Place, up: Up) -> Callable[[str, int], list[dict[str, Any]]]:
    """Waits for so many snapshots of a spacecraft: time and parameters, the oldest first."""

    def stored(spacecraft_id: str, count: int) -> list[dict[str, Any]]:
        def found() -> list[dict[str, Any]] | None:
            listed = json.loads(place.run("list-telemetry", spacecraft_id, "--json", "--server", up.nats).out)
            return listed if len(listed) >= count else None

        listed = until(found, f"{count} snapshots of {spacecraft_id}")
        return [{name: each[name] for name in ("timestamp", "parameters")} for each in reversed(listed)]

    return stored


WHOLE = [snapshot(0, tank_p=17.2, valve="OPEN"), snapshot(1, tank_p=17.3)]
LINES = "\n".join(map(json.dumps, WHOLE))
FORMS = {
    "lines": LINES.encode(),
    "byte-order-mark": b"\xef\xbb\xbf" + LINES.encode(),
    "utf-16": LINES.encode("utf-16"),
    "utf-16-without-mark": LINES.encode("utf-16-le"),
    "utf-32": LINES.encode("utf-32"),
    "pretty-printed-objects": "\n".join(json.dumps(each, indent=2) for each in WHOLE).encode(),
    "pretty-printed-array": json.dumps(WHOLE, indent=2).encode(),
    "two-arrays": "\n".join(json.dumps([each]) for each in WHOLE).encode(),
    "commas-without-brackets": ",\n".join(json.dumps(each, indent=2) for each in WHOLE).encode(),
    "gzip-after-white-space": gzip.compress(b" \n" * 300_000 + LINES.encode()),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_taken_whole(
    form: str, publish: Callable[..., Done], stored: Callable[[str, int], list[dict[str, Any]]]
) -> None:
    done = publish(FORMS[form], f"FORM-{form}")
    assert done.code == 0, done
    assert done.out.startswith("2 sent, 2 acknowledged, 0 refused")
    assert done.out.rstrip().endswith(f"FORM-{form} 2")
    assert ("The file is UTF-" in done.err) == form.startswith("utf-")
    assert stored(f"FORM-{form}", 2) == WHOLE


def test_csv_is_read_by_its_header(
    publish: Callable[..., Done], stored: Callable[[str, int], list[dict[str, Any]]]
) -> None:
    done = publish(CSV.encode(), "CSV-1", name="beacons.csv")
    assert done.code == 0
    assert "Sent as text, which no limit judges: station, heard_at, flags." in done.err
    first, second = stored("CSV-1", 2)
    shared = {"station": "alpha", "mode": 2, "flags": "0x0A"}
    assert first == {
        "timestamp": "2000-06-01T04:00:00Z",
        "parameters": shared | {"heard_at": "2031-03-05T16:00:00Z", "bus_v": 7.15, "tx_temp": -11.5},
    }
    assert second["parameters"] == shared | {"heard_at": "2031-03-05T16:00:10Z", "bus_v": 5.9, "tx_temp": 0.5}


def test_the_column_of_the_time_can_be_named_and_the_delimiter_is_found(
    publish: Callable[..., Done], stored: Callable[[str, int], list[dict[str, Any]]]
) -> None:
    content = b'when;time;"note; long"\r\n2031-03-05T13:00:00Z;5;"a\nb"\r\n\r\n2031-03-05T13:00:01Z;6;true\r\n'
    done = publish(content, "CSV-2", "--time-column", "when", name="table.txt")
    assert done.code == 0, done
    assert stored("CSV-2", 2) == [
        snapshot(0, time=5, **{"note; long": "a\nb"}),
        snapshot(1, time=6, **{"note; long": True}),
    ]
    refused = publish(content, "CSV-2", "--time-column", "Zeit", name="table.txt")
    assert "without a column Zeit; it has when, time, note; long" in refused.err
    (bad,) = [line for line in publish(b"a,b\n1,2\n", "CSV-2", name="x.csv").err.splitlines() if "refused" in line]
    assert "--time-column" in bad
    assert "(a, b)" in bad


NEARLY_CSV = {
    "old-mac": (f"time,a\r{TIME},1\r".encode(), "its lines end in CR alone: write LF or CRLF"),
    "latin-1-header": (f"time,Empfänger\n{TIME},1\n".encode("latin-1"), "it is not UTF-8 text (line 1)"),
    "zip": (b"PK\x03\x04" + bytes(100), "the file is zip, which has to be unpacked first"),
    "gzip-in-gzip": (gzip.compress(gzip.compress(b"time,a\n")), "the file is gzip, which has to be unpacked first"),
}


@pytest.mark.parametrize("form", NEARLY_CSV)
@pytest.mark.parametrize("name", ["x.csv", "x.txt"])
def test_what_is_nearly_csv_is_one_sentence(form: str, name: str, publish: Callable[..., Done]) -> None:
    content, sentence = NEARLY_CSV[form]
    if form != "latin-1-header" or name == "x.csv":
        done = publish(content, "CSV-4", name=name)
        assert (done.code, done.out.startswith("0 sent, 0 acknowledged, 1 refused")) == (1, True)
        assert sentence in done.err


def test_rows_that_are_not_utf_8_are_refused_and_names_and_texts_go_over_several_lines(
    publish: Callable[..., Done], stored: Callable[[str, int], list[dict[str, Any]]]
) -> None:
    rows = ['time,"a\nb",mode', f"{TIME},1,OK", f'{TIME},2,"\nüber"', "2031-03-05T13:00:01Z,3,OK"]
    done = publish("\n".join(rows).encode("latin-1"), "CSV-5", name="x.csv")
    assert done.code == 1
    assert "1 refused: it is not UTF-8 text (line 5)" in done.err
    assert stored("CSV-5", 2) == [snapshot(0, mode="OK", **{"a\nb": 1}), snapshot(1, mode="OK", **{"a\nb": 3})]


def test_a_row_that_is_cut_off_is_refused_and_the_others_are_taken(publish: Callable[..., Done]) -> None:
    done = publish(f"time,a,b\n{TIME},1,2\n{TIME},1\n".encode(), "CSV-3", name="x.csv")
    assert done.code == 1
    assert done.out.startswith("1 sent, 1 acknowledged, 1 refused")
    assert "(line 3)" in done.err


@pytest.mark.parametrize("form", ["plain", "gzip"])
def test_of_an_array_that_is_cut_off_all_that_is_whole_is_taken(
    form: str, publish: Callable[..., Done], stored: Callable[[str, int], list[dict[str, Any]]]
) -> None:
    content = f"[\n{json.dumps(WHOLE[0])},\n{json.dumps(WHOLE[1])},\n" + '{"timestamp":"2031-03-05T13:02:2'
    done = publish(content.encode() if form == "plain" else gzip.compress(content.encode()), f"CUT-{form}")
    assert done.code == 1
    (sentence,) = [line for line in done.err.splitlines() if "refused" in line]
    assert "cut off" in sentence
    assert "(item 3)" in sentence
    assert stored(f"CUT-{form}", 2) == WHOLE


def test_an_array_of_arrays_is_one_sentence(publish: Callable[..., Done]) -> None:
    done = publish(json.dumps([[TIME, 1], [TIME, 2]]).encode(), "ARRAY-1")
    assert done.code == 1
    (sentence,) = [line for line in done.err.splitlines() if "refused" in line]
    assert "an array where a snapshot should be" in sentence


def test_times_that_are_nearly_right_are_refused_with_what_is_right(publish: Callable[..., Done]) -> None:
    advice = {
        "2031-03-05T10:00:00+0200": "write +02:00",
        "2031-03-05T10:00:00+02": "write +02:00",
        "2031-064T10:00:02Z": "day of the year",
        "2031-03-05T10:00:03,5Z": "write 2031-03-05T10:00:03.5",
        "2031-03-05": "write 2031-03-05T00:00:00Z",
        "1930471203": "seconds since 1970",
    }
    lines = (json.dumps({"timestamp": time, "parameters": {"n": 1}}) for time in advice)
    done = publish("\n".join(lines).encode(), "TIMES-1")
    assert done.code == 1
    for said in advice.values():
        assert said in done.err


def test_a_file_about_another_spacecraft_is_refused(place: Place, up: Up, publish: Callable[..., Done]) -> None:
    own = json.dumps({"spacecraftId": "AAA-1"} | snapshot(0, a=1))
    other = json.dumps(snapshot(1, a=1))
    (place.work / "own.json").write_text(f"{own}\n{other}\n")
    done = place.run("ingest-telemetry", "--spacecraft-id", "BBB-1", "--file", "own.json", "--server", up.nats)
    assert done.code == 1
    assert "the file says AAA-1, and the command says BBB-1 (line 1)" in done.err
    assert done.out.startswith("1 sent, 1 acknowledged, 1 refused")
    assert done.out.rstrip().endswith(": BBB-1 1")
    assert publish(f"{own}\n".encode()).out.rstrip().endswith(": AAA-1 1")


def test_an_empty_array_is_no_fault(place: Place, up: Up) -> None:
    done = place.run("publish", "--file", "-", "--server", up.nats, stdin="[]\n")
    assert (done.code, done.out) == (0, "")
    assert "empty array" in done.err


@pytest.mark.parametrize("content", ["", " \n\n"])
def test_nothing_in_a_file_is_said(place: Place, up: Up, content: str) -> None:
    done = place.run("publish", "--file", "-", "--server", up.nats, stdin=content)
    assert (done.code, done.out) == (1, "")
    assert "Standard input holds no snapshot" in done.err


def test_what_looks_like_a_number_and_is_sent_as_text_is_said(place: Place, up: Up) -> None:
    values = ("temp=71,5", "minus=\u22125", "padded= 5", "nan=nan", "n=7", "null=null", "none=NaN", "mode=nano")
    parameters = [word for value in values for word in ("--param", value)]
    done = place.run("publish", "TEXT-1", *parameters, "--server", up.nats)
    assert done.code == 0
    texts = "temp ('71,5'), minus ('\u22125'), padded (' 5'), nan ('nan')"
    assert done.err.strip() == f"Sent as text, which no limit judges: {texts}."


def test_null_and_nan_are_no_value(place: Place, up: Up, stored: Callable[[str, int], list[dict[str, Any]]]) -> None:
    parameters = ("--param", "a=null", "--param", "b=NaN", "--param", "c=-Infinity", "--param", "d=1")
    assert place.run("publish", "TEXT-2", *parameters, "--server", up.nats).code == 0
    [found] = stored("TEXT-2", 1)
    assert found["parameters"] == {"a": None, "b": None, "c": None, "d": 1}


MEASURE = """
import json, resource, subprocess, sys
code = subprocess.run(sys.argv[1:], check=False).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"code": code, "memory": used.ru_maxrss, "cpu": used.ru_utime}))
"""
BOMBS = {
    "array": (b"[", b" ", 400),
    "white-space": (b"", b" ", 120),
    "line": (b'{"a":"', b"x", 400),
    "item": (b'[{"a":', b" ", 400),
    "csv": (b"time,a\n", b",", 400),
}


@pytest.mark.parametrize("name", BOMBS)
def test_little_that_unpacks_to_much_takes_little(place: Place, up: Up, name: str) -> None:
    begin, filler, megabytes = BOMBS[name]
    with gzip.open(place.work / "bomb.gz", "wb", 1) as file:
        file.write(begin)
        for _ in range(megabytes):
            file.write(filler * MEGABYTE)
    # A small process in between: what a process forks from counts as its memory, and the tests are large.
    place.prefix = (sys.executable, "-c", MEASURE)
    done = place.run("publish", "BOMB-1", "--file", "bomb.gz", "--server", up.nats)
    place.prefix = ()
    measured = json.loads(done.out.splitlines()[-1])
    assert measured["code"] == 1
    assert "Traceback" not in done.err
    assert measured["memory"] < 200 * 1024  # kB on Linux, and bytes elsewhere are more
    assert measured["cpu"] < installed.busy(20)


def test_what_comes_through_a_pipe_slowly_is_sent_at_once_and_ctrl_c_ends_it(
    place: Place, up: Up, stored: Callable[[str, int], list[dict[str, Any]]]
) -> None:
    fifo = place.work / "fifo"
    os.mkfifo(fifo)
    running = place.start("publish", "PIPE-1", "--file", Path("fifo"), "--server", up.nats)
    with fifo.open("wb", buffering=0) as writer:
        writer.write(json.dumps(WHOLE[0]).encode() + b"\n")
        assert stored("PIPE-1", 1) == WHOLE[:1]
        running.interrupt()
        done = running.end(installed.busy(10))
    assert done.code == 130
    assert "Traceback" not in done.err
