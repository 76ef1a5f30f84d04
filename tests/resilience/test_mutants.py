"""The audit finds what it is there to find: each mutant does its harm, and the service itself none."""

from pathlib import Path

import pytest

from missionops.embedded.postgres import PostgresServer
from tests.resilience import mutants, scenarios
from tests.resilience.clients import Clients
from tests.resilience.driver import SETTINGS, Driver
from tests.resilience.environment import Environment, environment
from tests.resilience.mutants import MUTANTS, Mutant
from tests.resilience.report import Report
from tests.resilience.soak import settle, until_ready

pytestmark = pytest.mark.timeout(180)

_IMPATIENCE = 1.0
"""Seconds: what a mutant has lost does not come, however long one waits."""


async def _driver(found: Environment) -> tuple[Driver, Clients]:
    found.services[0].start()
    clients = await Clients.connect(found, 0)
    await until_ready(found)
    driver = Driver(found, clients)
    await driver.set_limit()
    return driver, clients


async def test_the_service_comes_through_every_scenario(server: PostgresServer) -> None:
    report = Report()
    async with environment(server, "every_scenario") as found:
        for _ in range(2):
            await found.add_service(environment=SETTINGS)
        driver, clients = await _driver(found)
        for scenario in scenarios.ALL:
            found.log(scenario.__name__.replace("_", " "))
            await scenario(driver)
        await settle(found, clients, report)
    assert not report.kinds, "\n".join(report.lines())


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name.replace(" ", "-") for mutant in MUTANTS])
async def test_a_mutant_is_found(mutant: Mutant, server: PostgresServer, tmp_path: Path) -> None:
    report = Report()
    command, variables = mutants.serve_from(mutants.copy(mutant, tmp_path))
    async with environment(server, f"mutant_{MUTANTS.index(mutant)}") as found:
        for _ in range(2):
            await found.add_service(command, {**SETTINGS, **variables})
        driver, clients = await _driver(found)
        await mutant.scenario(driver)
        await settle(found, clients, report, _IMPATIENCE)
    assert mutant.harm in report.kinds, f"the audit found no {mutant.harm!r}: {report.lines()}"
