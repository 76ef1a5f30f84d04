"""However a run ends, it leaves no process and no file behind."""

import signal
import sys
from pathlib import Path

import pytest

from tests.system import installed
from tests.wait import until


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_run_that_is_ended_early_leaves_nothing_behind(number: int, code: int) -> None:
    with installed.place() as place:
        place.command = Path(sys.executable)
        run = place.start("-m", "tests.resilience", "--seconds", "60", "--seed", "1")
        until(lambda: len(run.out.splitlines()) > 2 or run.process.poll() is not None, "the first faults")
        run.signal(number)
        assert run.end().code == code, run.err
        place.until_nothing_runs(8)
        assert not place.files()
