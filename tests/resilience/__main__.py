"""The long run: `uv run python -m tests.resilience --seconds 600 --seed 7`."""

import argparse
import asyncio
import signal
import sys
from random import SystemRandom

from tests.resilience import soak

_CLEAN = "clean: nothing lost, nothing twice, nothing published that is not stored, all in order"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.resilience", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long load and faults last")
    parser.add_argument(
        "--seed", type=int, default=SystemRandom().randrange(1_000_000), help="what they are drawn from"
    )
    parser.add_argument(
        "--pause", type=float, default=0.1, help="seconds, at most, between the honest publisher's messages"
    )
    arguments = parser.parse_args()
    try:
        result = asyncio.run(_run(arguments.seed, arguments.seconds, arguments.pause))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.stdout.write("ended early: nothing was audited\n")
        return 130
    sys.stdout.write("\n".join([*result.figures, *(result.differences or [_CLEAN])]) + "\n")
    return 1 if result.differences else 0


async def _run(seed: int, seconds: float, pause: float) -> soak.SoakResult:
    """Ctrl-C and SIGTERM both end the run in order."""
    task = asyncio.current_task()
    assert task
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await soak.run(seed, seconds, pause)


if __name__ == "__main__":
    sys.exit(main())
