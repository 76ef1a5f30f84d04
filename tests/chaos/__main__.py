"""The long run: `uv run python -m tests.chaos --seconds 600 --seed 7`."""

import argparse
import asyncio
import signal
import sys
from random import SystemRandom

from tests.chaos import storm


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long the storm lasts")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(1_000_000), help="what it is drawn from")
    parser.add_argument("--pause", type=float, default=0.1, help="most seconds between a few messages and the next")
    given = parser.parse_args()
    try:
        report = asyncio.run(_run(given.seed, given.seconds, given.pause))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.stdout.write("ended early: nothing was audited\n")
        return 130
    found = report.differences or ["clean: nothing lost, nothing twice, nothing told that is not stored, all in order"]
    sys.stdout.write("\n".join([*report.done, *found]) + "\n")
    return 1 if report.differences else 0


async def _run(seed: int, seconds: float, pause: float) -> storm.Report:
    """Ctrl-C and SIGTERM alike end it in order."""
    task = asyncio.current_task()
    assert task
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await storm.run(seed, seconds, pause)


if __name__ == "__main__":
    sys.exit(main())
