"""The long run: `uv run python -m tests.chaos --minutes 10 --seed 7`."""

import argparse
import asyncio
import sys
from random import SystemRandom

from tests.chaos.storm import storm


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(1_000_000))
    given = parser.parse_args()
    differences = asyncio.run(storm(given.seed, given.minutes * 60))
    sys.stdout.write("\n".join(differences or ["clean"]) + "\n")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
