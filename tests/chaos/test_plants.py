"""The harness finds what it is there to find: each planted bug does its harm, and a sound service none."""

from pathlib import Path

import pytest

from missionops.embedded.postgres import PostgresServer
from tests.chaos import plants, scenarios
from tests.chaos.findings import Findings
from tests.chaos.ground import Ground
from tests.chaos.plants import PLANTS, Plant
from tests.chaos.stage import SETTINGS, Stage
from tests.chaos.storm import settle, until_ready
from tests.chaos.world import World, world

pytestmark = pytest.mark.timeout(180)

_IMPATIENCE = 1.0
"""Seconds; what a bug has lost does not come, however long one waits."""


async def _stage(found: World) -> tuple[Stage, Ground]:
    found.services[0].start()
    ground = await Ground.of(found, 0)
    await until_ready(found)
    stage = Stage(found, ground)
    await stage.set_limit()
    return stage, ground


async def test_a_sound_service_comes_through_every_scenario(server: PostgresServer) -> None:
    findings = Findings()
    async with world(server, "sound") as found:
        for _ in range(2):
            await found.add_service(environment=SETTINGS)
        stage, ground = await _stage(found)
        for scenario in scenarios.ALL:
            found.say(scenario.__name__.replace("_", " "))
            await scenario(stage)
        await settle(found, ground, findings)
    assert not findings.kinds, "\n".join(findings.lines())


@pytest.mark.parametrize("plant", PLANTS, ids=[plant.name.replace(" ", "-") for plant in PLANTS])
async def test_a_planted_bug_is_found(plant: Plant, server: PostgresServer, tmp_path: Path) -> None:
    findings = Findings()
    command, environment = plants.serve_from(plants.copy(plant, tmp_path))
    async with world(server, f"plant_{PLANTS.index(plant)}") as found:
        for _ in range(2):
            await found.add_service(command, {**SETTINGS, **environment})
        stage, ground = await _stage(found)
        await plant.scenario(stage)
        await settle(found, ground, findings, _IMPATIENCE)
    assert plant.harm in findings.kinds, f"the audit found no {plant.harm!r}: {findings.lines()}"
