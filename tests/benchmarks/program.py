"""What is measured, in which order. Cases take turns within a run, so that a slow minute of the machine hits all."""

import dataclasses
import functools
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.benchmarks import alarms, baseline, floor, history, latency, path, peer, queries, quiet, startup
from tests.benchmarks.path import Figures
from tests.benchmarks.results import Results
from tests.benchmarks.stage import Service, Stage
from tests.benchmarks.workload import Workload

PATH, FLOOR, BASE = "whole path", "floor", "base"


@dataclasses.dataclass(frozen=True)
class Plan:
    """How much of it."""

    messages: int = 100_000
    runs: int = 3
    seconds: float = 15
    histories: tuple[int, ...] = (0, 1_000_000)
    backlog: int = 0
    tolerated: float = 10
    """Percent of the machine that others may take; where there are `tries`, it is measured again."""
    tries: int = 1
    directory: Path = Path("/tmp")  # noqa: S108 - chosen by the caller


@dataclasses.dataclass
class Program:
    """One measurement after the other, into `results`; `say` tells the person what goes on."""

    plan: Plan
    stage: Stage
    results: Results
    say: Callable[[str], None]

    async def path(self) -> None:
        """The base case against floor and baseline, and each factor varied alone against the floor."""
        cases = _cases(self.plan.messages)
        for run in range(1, self.plan.runs + 1):
            for name, workload in cases.items():
                self.say(f"run {run}: {name}")
                await self._against_floor(name, workload)
            await self._against_baseline(cases[BASE])

    async def base(self) -> None:
        """The base case alone, as `path` has it."""
        for run in range(1, self.plan.runs + 1):
            self.say(f"run {run}: {BASE}")
            await self._against_floor(BASE, _cases(self.plan.messages)[BASE])
            await self._against_baseline(_cases(self.plan.messages)[BASE])

    async def _against_floor(self, name: str, workload: Workload) -> None:
        ours = await self._quietly(lambda: path.whole(self.stage, workload))
        least = await self._quietly(lambda: floor.measured(self.stage, workload))
        ratio = {"÷ floor": ours["snapshots/s"] / least["snapshots/s"]}
        if name != BASE and (base := self.results.last(PATH, BASE, "snapshots/s")):
            ratio["÷ base"] = ours["snapshots/s"] / base
        self.results.add(PATH, name, ours | ratio)
        self.results.add(FLOOR, name, least)

    async def _against_baseline(self, workload: Workload) -> None:
        self.say("the idiomatic baseline")
        few = dataclasses.replace(workload, snapshots=_few(workload))
        idiomatic = await self._quietly(lambda: baseline.measured(self.stage, few))
        ours = self.results.last(PATH, BASE, "snapshots/s") or 0
        self.results.add("baseline", BASE, idiomatic | {"ours ÷ it": ours / idiomatic["snapshots/s"]})

    async def peer(self) -> None:
        """The base case against the peer, run by run."""
        workload = _cases(self.plan.messages)[BASE]
        for run in range(1, self.plan.runs + 1):
            self.say(f"run {run}: {BASE} and the peer")
            ours = await self._quietly(lambda: path.whole(self.stage, workload))
            theirs = await self._quietly(lambda: peer.measured(self.stage, workload))
            self.results.add(PATH, BASE, ours)
            self.results.add("peer", BASE, theirs | {"ours ÷ it": ours["snapshots/s"] / theirs["snapshots/s"]})

    async def _quietly(self, measure: Callable[[], Awaitable[Figures]]) -> Figures:
        return await quiet.undisturbed(measure, self.plan.tolerated, self.plan.tries)

    async def drain(self) -> None:
        """What was in the stream before the service started."""
        least = max(self.plan.messages, 50_000)  # some are handled before the service says that it is ready
        for size in [least] * self.plan.runs + [self.plan.backlog] * bool(self.plan.backlog):
            self.say(f"a backlog of {size:,}")
            workload = Workload(snapshots=size)
            figures = await self._quietly(functools.partial(path.drained, self.stage, workload))
            self.results.add("backlog", f"{size:,}", figures)

    async def alarms(self) -> None:
        """What alarms cost where nothing is wrong and where something is, and what comes late."""
        base = _cases(self.plan.messages)[BASE]
        for run in range(1, self.plan.runs + 1):
            for name, rate in (("nothing wrong", 0.0), ("1 % violating", 0.01)):
                self.say(f"run {run}: alarms, {name}")
                workload = dataclasses.replace(base, anomalous=rate)
                figures = await self._quietly(functools.partial(alarms.compared, self.stage, workload))
                self.results.add("alarms", name, figures)
            self.say(f"run {run}: alarms, what comes late")
            ordered = await self._quietly(lambda: alarms.whole(self.stage, base))
            late = {
                "in order": ordered,
                "out of order by up to an hour": await self._quietly(
                    lambda: alarms.whole(self.stage, dataclasses.replace(base, disorder=3600))
                ),
                "a week's dump, a week late": await self._quietly(lambda: alarms.dumped(self.stage, base)),
            }
            for name, figures in late.items():
                ratio = figures["snapshots/s"] / ordered["snapshots/s"]
                self.results.add("late telemetry", name, figures | {"÷ in order": ratio})

    async def roll_ups(self) -> None:
        """What roll-ups cost while telemetry is taken in."""
        for run in range(1, self.plan.runs + 1):
            self.say(f"run {run}: roll-ups")
            measure = functools.partial(alarms.compared, self.stage, _cases(self.plan.messages)[BASE], "roll-ups")
            self.results.add("roll-ups", BASE, await self._quietly(measure))

    async def latency(self) -> None:
        """Alone in the night, at a good pace, and at half of what is possible."""
        for run in range(1, self.plan.runs + 1):
            for rate in (10.0, 1_000.0, await self._half()):
                self.say(f"run {run}: latency at {rate:,.0f}/s")
                name = f"{rate:,.0f}/s" if rate <= 1_000 else "half of the maximum"
                measure = functools.partial(latency.measured, self.stage, rate, self.plan.seconds)
                figures = await self._quietly(measure)
                self.results.add("publish to anomaly", name, {"rate/s": rate, **figures})

    async def _half(self) -> float:
        most = self.results.median(PATH, BASE, "snapshots/s")
        if most is None:
            most = (await path.whole(self.stage, Workload(snapshots=self.plan.messages)))["snapshots/s"]
            self.results.add(PATH, BASE, {"snapshots/s": most})
        return round(most / 2, -2)

    async def growth(self) -> None:
        """The same load, and questions, with more and more stored."""
        for size in self.plan.histories:
            self.say(f"with {size:,} stored: loading")
            async with self.stage.database() as dsn:
                end = history.ends()
                await history.load(dsn, size, end)
                async with self.stage.service(dsn) as service:
                    await self._grown(f"{size:,} stored", service, end)

    async def _grown(self, name: str, service: Service, end: datetime) -> None:
        workload = Workload(snapshots=self.plan.messages).after(end)
        await self.stage.configure(workload)
        loads = _one_after_the_other(workload)
        for run in range(1, self.plan.runs + 1):
            self.say(f"run {run}: {name}")
            figures = await self._quietly(functools.partial(self._next_load, service, loads))
            self.results.add("growth", name, figures)
        self.say(f"{name}: queries")
        for query, figures in (await queries.measured(self.stage, end)).items():
            self.results.add("queries", f"{query}, {name}", figures)

    async def _next_load(self, service: Service, loads: Iterator[Workload]) -> Figures:
        return await path.measured(self.stage, service, next(loads))

    async def startup(self) -> None:
        """What a person waits for."""
        for _ in range(max(self.plan.runs, 3)):
            self.say("start-up")
            self.results.add("start-up", "--help", await startup.shown())
            for name, figures in (await startup.up(self.plan.directory)).items():
                self.results.add("start-up", name, figures)


PARTS: Mapping[str, Callable[[Program], Awaitable[None]]] = {
    "path": Program.path,
    "alarms": Program.alarms,
    "roll-ups": Program.roll_ups,
    "latency": Program.latency,
    "drain": Program.drain,
    "growth": Program.growth,
    "startup": Program.startup,
}
"""What runs without `--only`."""
ALONE: Mapping[str, Callable[[Program], Awaitable[None]]] = {"base": Program.base, "peer": Program.peer}
"""What only runs when it is asked for: a part of another, or what needs to be installed first."""


def _cases(messages: int) -> dict[str, Workload]:
    base = Workload(snapshots=messages)
    varied: dict[str, dict[str, Any]] = {
        BASE: {},
        "5 parameters": {"parameters": 5},
        "150 parameters": {"parameters": 150, "snapshots": messages // 5},
        "MessagePack": {"encoding": "msgpack"},
        "arrays of 100": {"array": 100},
        "no ids": {"ids": False},
        "0 % anomalous": {"anomalous": 0.0},
        "50 % anomalous": {"anomalous": 0.5},
        "0 rules": {"rules": 0},
        "150 rules": {"rules": 150},
        "1 spacecraft": {"spacecraft": 1},
        "10,000 spacecraft": {"spacecraft": 10_000},
    }
    return {name: dataclasses.replace(base, **factors) for name, factors in varied.items()}


def _few(workload: Workload) -> int:
    """It is slow, and no less so with more."""
    return max(1_000, workload.snapshots // 20)


def _one_after_the_other(workload: Workload) -> Iterator[Workload]:
    """The same load again and again, each later than the last, so that no snapshot is a repeat."""
    while True:
        yield workload
        workload = workload.after(workload.end)
