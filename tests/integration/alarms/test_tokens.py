"""Alarms and tokens: who acts, what a role may, and that a token of one spacecraft sees nothing of another."""

import pytest

from missionops.domain.access import Role
from missionops.settings import Settings
from tests.stored_alarms import alarm

EVER = {"from": "2025-01-01T00:00:00Z", "to": "2199-01-01T00:00:00Z"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"http_auth": "tokens"})


async def test_a_token_of_one_spacecraft_sees_nothing_of_another(clients, client, store, transitions):
    await client.request("missionops.docs.create", b'{"id":"of-b","title":"Secret","body":"b","spacecraftId":"B"}')
    of_a, of_b = await store(alarm("A", documents=["of-b"]), alarm("B"))
    for name in ("A", "B"):
        await client.request(f"missionops.alarms.shelve.{name}", b'{"seconds":60,"reason":"r","parameter":"x"}')
    limited, everyone = await clients.holding(Role.OPERATOR, "A"), await clients.holding(Role.OPERATOR)
    for path in ("/alarms/search", "/alarms/shelves"):
        assert {one["spacecraftId"] for one in (await limited.get(path)).json()} == {"A"}
        assert {one["spacecraftId"] for one in (await everyone.get(path)).json()} == {"A", "B"}
    active = (await limited.get("/alarms/active")).json()
    assert [one["spacecraftId"] for one in active["items"]] == ["A"]
    assert (sum(active["counts"]["unacknowledged"].values()), active["counts"]["active"]["HIGH"]) == (1, 1)
    assert (await limited.get("/alarms/statistics", params=EVER)).json()["alarms"] == 1
    for path in ("/alarms", "/alarms/statistics"):
        refused = await limited.get(path, params=EVER | {"spacecraftId": "B"})
        assert refused.status_code == 403
    assert (await limited.get(f"/alarms/{of_b}")).status_code == 404
    assert (await limited.get(f"/alarms/{of_a}")).json()["documents"] == [{"id": "of-b", "title": None}]
    assert (await everyone.get(f"/alarms/{of_a}")).json()["documents"] == [{"id": "of-b", "title": "Secret"}]
    reply = await limited.post("/alarms/acknowledge", json={"ids": [of_a, of_b]})
    assert [one["id"] for one in reply.json()["alarms"]] == [of_a]
    unknown = await limited.post("/alarms/acknowledge", json={"ids": ["al_" + "0" * 32]})
    for one, name in ((reply, of_b), (unknown, "al_" + "0" * 32)):  # the same whether it is there or not
        assert one.json()["refused"] == [{"id": name, "code": "not_found", "message": f"There is no alarm {name}."}]
    assert (await limited.post(f"/alarms/{of_b}/comments", json={"comment": "c"})).status_code == 404
    for verb in ("shelve", "unshelve"):
        body = {"spacecraftId": "B", "parameter": "x"} | ({"seconds": 60, "reason": "r"} if verb == "shelve" else {})
        assert (await limited.post(f"/alarms/{verb}", json=body)).status_code == 403
    assert await transitions(of_b) == [("RAISED", None, 1)]


async def test_an_action_is_the_tokens(clients, store):
    [identifier] = await store(alarm("A"))
    operator = await clients.holding(Role.OPERATOR)
    name = (await operator.get("/access")).json()["name"]
    for path, body in (
        ("/alarms/acknowledge", {"ids": [identifier]}),
        (f"/alarms/{identifier}/comments", {"comment": "c"}),
        ("/alarms/shelve", {"spacecraftId": "A", "seconds": 60, "reason": "r"}),
        ("/alarms/unshelve", {"spacecraftId": "A"}),
    ):
        refused = await operator.post(path, json=body | {"by": "somebody"})
        assert refused.status_code == 400, path
        assert refused.json()["error"]["details"][0]["path"] == "by"
        assert (await operator.post(path, json=body | {"by": name})).status_code == 200
    history = (await operator.get(f"/alarms/{identifier}")).json()["history"]
    assert [(one["transition"], one["by"]) for one in history] == [
        ("RAISED", None), ("ACKNOWLEDGED", name), ("COMMENTED", name), ("SHELVED", name), ("UNSHELVED", name),
    ]  # fmt: skip
    events = (await operator.get("/events", params={"spacecraftId": "A"})).json()
    assert {(one["metadata"]["by"], "via" in one["metadata"]) for one in events} == {(name, False)}


async def test_a_reader_reads_and_changes_nothing(clients, store, transitions):
    [identifier] = await store(alarm("A"))
    reader = await clients.holding(Role.READER)
    for path in ("/alarms?spacecraftId=A", "/alarms/search", "/alarms/active", "/alarms/shelves"):
        assert (await reader.get(path)).status_code == 200
    for path, body in (
        ("/alarms/acknowledge", {"ids": [identifier]}),
        (f"/alarms/{identifier}/comments", {"comment": "c"}),
        ("/alarms/shelve", {"spacecraftId": "A", "seconds": 60, "reason": "r"}),
        ("/alarms/unshelve", {"spacecraftId": "A"}),
    ):
        assert (await reader.post(path, json=body)).status_code == 403
    assert len(await transitions(identifier)) == 1
