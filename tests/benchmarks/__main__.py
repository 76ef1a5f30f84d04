"""The benchmark: `uv run python -m tests.benchmarks`; `--help` says what can be chosen."""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from tests.benchmarks import machine, plots, program, report
from tests.benchmarks.program import Plan, Program
from tests.benchmarks.results import Results
from tests.benchmarks.stage import Stage

_PARTS = {**program.PARTS, **program.ALONE}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", metavar="NAME", choices=_PARTS, action="append", help=", ".join(_PARTS))
    parser.add_argument("--messages", type=int, metavar="N", help="snapshots of one load (100,000)")
    parser.add_argument("--runs", type=int, metavar="N", help="runs of each case (3)")
    parser.add_argument("--growth", type=int, metavar="N", action="append", help="stored snapshots, beside 0 (1000000)")
    parser.add_argument("--backlog", type=int, metavar="N", nargs="?", const=1_000_000, default=0,
                        help="drain so many too (1000000)")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw some there (needs matplotlib)")
    parser.add_argument("--directory", type=Path, default=Path(tempfile.gettempdir()), help="where the servers write")
    parser.add_argument("--tries", type=int, metavar="N", default=1, help="measure again while others use the machine")
    parser.add_argument("--quick", action="store_true", help="a smoke test: whether it works, not how fast")
    return parser.parse_args()


def _plan(arguments: argparse.Namespace) -> Plan:
    quick = arguments.quick
    return Plan(
        messages=arguments.messages or (10_000 if quick else 100_000),
        runs=arguments.runs or (1 if quick else 3),
        seconds=3 if quick else 15,
        histories=(0, *(arguments.growth or [20_000 if quick else 1_000_000])),
        backlog=arguments.backlog,
        directory=arguments.directory.absolute(),
        tries=arguments.tries,
    )


async def _run(arguments: argparse.Namespace) -> None:
    plan, results = _plan(arguments), Results()
    async with Stage.opened(plan.directory) as stage:
        about = await machine.described(stage, plan.directory)
        running = Program(plan, stage, results, _say)
        for name in arguments.only or program.PARTS:
            await _PARTS[name](running)
            if arguments.json:  # after each part: what was measured is not lost by a Ctrl-C
                told = {"machine": about, "messages": plan.messages, "results": results.as_json()}
                arguments.json.write_text(json.dumps(told, indent=2) + "\n")
    if arguments.plots:
        plots.draw(arguments.plots, results)
    report.show(about, results)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    asyncio.run(_run(_arguments()))
