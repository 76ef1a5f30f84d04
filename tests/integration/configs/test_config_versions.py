"""Versions of a config: who set them, when and why; and a config that is set only in place of a given version."""

import json
from typing import Any

import httpx
import pytest
from nats.aio.client import Client

from missionops.app import Service

RULES = {"parameters": {"temp": {"warnHigh": 45}}}
MISSPELLED = {"bus_v": {"critLow": 6.0}, "wheel_rpm": {"critHigh": 5000}}


async def ask(client: Client, subject: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
    reply = await client.request(f"missionops.{subject}", json.dumps(body or {}).encode(), 6, headers=headers)
    return json.loads(reply.data)


async def test_each_version_says_who_set_it_and_why(service: Service, client: Client):
    assert (await ask(client, "config.versions.A"))["error"]["message"] == "Config not found"
    async with httpx.AsyncClient(base_url=service.http_url) as http:
        headers = {b"Missionops-Reason": "Prüfung".encode(), b"missionops-source": b"gitops"}
        await http.put("/spacecraft/A/config", json=RULES, headers=headers)
        await ask(client, "config.set.A", {"notes": 2}, {"missionops-reason": "Test, zweiter Teil: ü"})
        await ask(client, "config.set.A", {"notes": 3})
        path = "/spacecraft/A/config/versions"
        found = (await http.get(path)).json()
        assert [list(item.values())[:-1] for item in found] == [
            [3, "manual", "nats", None],
            [2, "manual", "nats", "Test, zweiter Teil: ü"],
            [1, "gitops", "http", "Prüfung"],
        ]
        first = await http.get(path, params={"limit": 2})
        rest = await http.get(path, params={"cursor": first.headers["missionops-next-cursor"]})
        assert first.json() + rest.json() == found
        assert "missionops-next-cursor" not in rest.headers
        old = (await http.get("/spacecraft/A/config", params={"version": 1})).json()
        assert (old["config"], old["version"], old["updatedAt"]) == (RULES, 1, found[2]["updatedAt"])
        assert (await http.get("/spacecraft/A/config", params={"version": 4})).status_code == 404
        [*_, event] = (await http.get("/events", params={"spacecraftId": "A"})).json()
        assert event["metadata"]["reason"] == "Prüfung"
        too_long = await http.put("/spacecraft/A/config", json=RULES, headers={"Missionops-Reason": "x" * 1025})
        assert too_long.json()["error"]["details"][0]["path"] == "Missionops-Reason"


async def test_a_config_is_set_only_in_place_of_the_version_that_is_named(service: Service, client: Client):
    async def over_nats(version: str) -> Any:
        return await ask(client, "config.set.A", RULES, {"Missionops-If-Version": version})

    assert (await over_nats("1"))["error"]["code"] == "conflict"
    assert (await ask(client, "spacecraft.get.A"))["error"]["code"] == "not_found"  # nothing was changed
    assert (await over_nats("0"))["version"] == 1
    refused = (await over_nats("0"))["error"]
    assert (refused["code"], refused["message"]) == (
        "conflict", "Config version 1 is in force, not version 0: nothing was changed",
    )  # fmt: skip
    assert (await over_nats("latest"))["error"]["details"][0]["path"] == "Missionops-If-Version"
    async with httpx.AsyncClient(base_url=service.http_url) as http:
        for etag, status in {"2": 409, '"1"': 200, "1": 409, 'W/"2"': 200, "*": 400}.items():
            response = await http.put("/spacecraft/A/config", json=RULES, headers={"If-Match": etag})
            assert response.status_code == status, etag
        both = {"If-Match": "3", "Missionops-If-Version": "2"}
        assert (await http.put("/spacecraft/A/config", json=RULES, headers=both)).status_code == 400
    assert (await ask(client, "config.get.A"))["version"] == 3


@pytest.mark.usefixtures("service")
async def test_an_envelope_is_unwrapped_and_what_looks_like_rules_is_warned_of(client: Client):
    reply = await ask(client, "config.set.A", RULES)
    assert (reply["config"], reply["warnings"]) == (RULES, [])
    for given in (reply, {"config": RULES}, await ask(client, "config.get.A")):
        assert (await ask(client, "config.set.A", given))["config"] == RULES
    assert (await ask(client, "config.set.B", reply))["error"]["details"][0]["path"] == "spacecraftId"
    reply = await ask(client, "config.set.A", MISSPELLED)
    assert (reply["config"], [one["path"] for one in reply["warnings"]]) == (MISSPELLED, ["bus_v", "wheel_rpm"])
    refused = await ask(client, "config.set.A", RULES | {"clock": {"ahead": -1}, "silentAfter": 1})
    assert [detail["path"] for detail in refused["error"]["details"]] == ["silentAfter", "clock.ahead"]


@pytest.mark.usefixtures("service")
async def test_a_config_that_no_reply_has_room_for_is_refused_and_not_in_force(client: Client):
    longest = "x" * (1_000_000 - len('{"notes":""}'))
    refused = await ask(client, "config.set.A", {"notes": f"{longest}x"})
    assert refused["error"]["code"] == "too_large"
    assert refused["error"]["message"] == "The config has 1000001 bytes as JSON; at most 1000000 are kept"
    assert (await ask(client, "config.get.A"))["error"]["code"] == "not_found"
    headers = {"Missionops-Source": "\x01" * 128}  # a control character has six bytes as JSON
    name = {"name": "\x01" * 256, "missionType": "\x01" * 256}
    assert (await ask(client, "config.set.A", {"notes": longest}, headers))["version"] == 1
    assert (await ask(client, "spacecraft.register.A", name))["name"] == name["name"]
    for subject in ("config.get.A", "spacecraft.get.A"):
        assert (await ask(client, subject))["config"] == {"notes": longest}
