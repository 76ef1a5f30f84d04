"""`missionops tokens`: made, shown once, listed and revoked, straight in the database."""

import asyncio
import json
import os
import re
import sys
from datetime import UTC, datetime
from typing import Any, NamedTuple

import asyncpg
import pytest

from missionops.domain import token
from missionops.domain.access import Role
from missionops.errors import Conflict
from missionops.operations import tokens
from missionops.store import database as databases

TOKEN = re.compile(r"mo_[0-9a-f]{16}_[0-9a-f]{64}\n")


class Done(NamedTuple):
    """How a command ended."""

    code: int | None
    out: str
    err: str


async def run(database_url: str, line: str) -> Done:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "missionops", "tokens", *line.split(),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"MISSIONOPS_DATABASE_URL": database_url, "COLUMNS": "200", "TERM": "dumb"},
    )  # fmt: skip
    out, err = await process.communicate()
    return Done(process.returncode, out.decode(), err.decode())


async def test_a_token_is_made_shown_once_listed_and_revoked(database_url: str):
    made = await run(database_url, "create grafana --role reader")
    assert (made.code, TOKEN.fullmatch(made.out) is not None) == (0, True), made
    assert "Token grafana: reader for all spacecraft." in made.err
    limited = await run(
        database_url, "create station --role operator --spacecraft-id B --spacecraft-id A --expires 90d --json"
    )
    told = json.loads(limited.out)
    assert TOKEN.fullmatch(told.pop("token") + "\n")
    assert told.pop("createdAt") < told.pop("expiresAt")
    assert told == {
        "name": "station", "role": "operator", "spacecraft": ["A", "B"], "revokedAt": None, "state": "in force",
    }  # fmt: skip

    listed = await run(database_url, "list")
    words = [line.split()[:2] for line in listed.out.splitlines() if line.strip()]
    assert words[2:] == [["grafana", "reader"], ["station", "operator"]]
    revoked, again = await run(database_url, "revoke grafana"), await run(database_url, "revoke grafana")
    assert (revoked.err, again.err) == ("Token grafana is revoked.\n", "Token grafana was revoked before.\n")
    left, everything = await asyncio.gather(run(database_url, "list --json"), run(database_url, "list --all --json"))
    assert [token["name"] for token in json.loads(left.out)] == ["station"]
    states = {token["name"]: token["state"] for token in json.loads(everything.out)}
    assert states == {"grafana": "revoked", "station": "in force"}
    assert made.out.strip() not in listed.out + everything.out


async def test_what_cannot_be_is_refused_in_one_sentence(database_url: str, empty_database_url: str):
    cases = {
        "create nats --role admin": "name may not be nats",
        "create http --role admin": "name may not be http",
        "create a:b --role admin": "name must be 1 to 128 letters",
        "create a --role admin --spacecraft-id a.b": "spacecraftId must be 1 to 64 letters",
        "create a --role admin --expires soon": "neither like 90d, 12h or 30m nor a time",
        "create a --role admin --expires 2025-01-01T00:00:00Z": "expires must lie in the future",
        "revoke nobody": "There is no token nobody",
    }
    answers = await asyncio.gather(*(run(database_url, line) for line in cases))
    assert (await run(database_url, "create once --role reader")).code == 0
    answers.append(await run(database_url, "create once --role reader"))
    answers.append(await run(empty_database_url, "list"))
    answers.append(await run("postgresql://127.0.0.1:1/nowhere", "list"))
    reasons = [*cases.values(), "There is or was a token once", "run `missionops migrate`", "Cannot reach PostgreSQL"]
    for done, reason in zip(answers, reasons, strict=True):
        assert (done.code, done.out, len(done.err.splitlines())) == (1, "", 1), done
        assert reason in done.err
    assert (await run(database_url, "create a --role king")).code == 2
    assert (await run(database_url, "create a")).code == 2


async def test_whoever_may_not_write_is_told_so(database_url: str, database: "asyncpg.Connection[asyncpg.Record]"):
    role = f"stranger_{os.urandom(4).hex()}"
    await database.execute(f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA app TO {role}")
    try:
        await database.execute(f"GRANT SELECT ON app.migration TO {role}")
        as_stranger = re.sub(r"//[^/@]*@", f"//{role}@", database_url)
        if as_stranger == database_url:
            pytest.skip("the address names no user")
        done = await run(as_stranger, "create a --role admin")
        assert (done.code, done.out, len(done.err.splitlines())) == (1, "", 1), done
        assert "permission denied for table token" in done.err
    finally:
        await database.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_so_many_are_in_force_and_no_more(database_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tokens, "MOST", 2)
    async with databases.connected(database_url) as connection:
        for name in ("a", "b"):
            await tokens.issue(connection, name, Role.READER)
        with pytest.raises(Conflict, match="2 tokens in force already"):
            await tokens.issue(connection, "c", Role.READER)
        await tokens.revoke(connection, "a")
        await tokens.issue(connection, "c", Role.READER)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "nats"},
        {"name": "a b"},
        {"key": "0"},
        {"digest": b"short"},
        {"role": "king"},
        {"spacecraft": []},
        {"spacecraft": ["A", None]},
        {"spacecraft": ["A", "b.c"]},
        {"spacecraft": ["A,B", ""]},
    ],
)
async def test_the_table_itself_refuses_what_must_never_be_there(database, wrong: dict[str, Any]):
    made = token.made(bytes(40))
    row = {"name": "a", "key": made.key, "digest": made.digest, "role": "reader", "spacecraft": ["A", "B"]}
    insert = "INSERT INTO app.token (name, key, digest, role, spacecraft) VALUES ($1, $2, $3, $4, $5)"
    with pytest.raises(asyncpg.CheckViolationError):
        await database.execute(insert, *(row | wrong).values())
    await database.execute(insert, *row.values())
    for column, value in (("role", "admin"), ("spacecraft", ["A"]), ("name", "b"), ("digest", bytes(32))):
        with pytest.raises(asyncpg.RestrictViolationError):
            await database.execute(f"UPDATE app.token SET revoked_at = now(), {column} = $1", value)  # noqa: S608 - ours
    await database.execute("UPDATE app.token SET revoked_at = now()")
    for moment in (None, datetime.now(UTC)):
        with pytest.raises(asyncpg.RestrictViolationError):
            await database.execute("UPDATE app.token SET revoked_at = $1", moment)
