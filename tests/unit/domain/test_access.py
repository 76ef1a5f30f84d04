"""Roles: what each may do, and what a caller who is limited to some spacecraft reaches."""

from missionops.domain import access
from missionops.domain.access import Caller, Role
from missionops.operations import intake
from missionops.operations.registry import OPERATIONS


def test_each_role_may_what_those_before_it_may() -> None:
    assert list(Role) == ["reader", "operator", "admin"]
    for held, role in enumerate(Role):
        assert [role.includes(needed) for needed in Role] == [needed <= held for needed in range(3)]


def test_whoever_is_limited_reaches_some_and_never_what_is_about_no_one() -> None:
    limited = Caller("a", Role.ADMIN, frozenset({"SC-1", "SC-2"}))
    assert [limited.reaches(name) for name in ("SC-1", "SC-3", "_fleet", "", None)] == [
        True,
        False,
        False,
        False,
        False,
    ]
    for caller in (access.OVER_NATS, access.OVER_OPEN_HTTP):
        assert all(caller.reaches(name) for name in ("SC-1", "_fleet", "", None))


def test_only_a_token_says_who_asks() -> None:
    assert [Caller(name, Role.ADMIN).is_known for name in ("alice", "nats", "http", "nats:OPERATORS/op")] == [
        True, False, False, False,
    ]  # fmt: skip


def test_whoever_only_asks_need_be_no_more_than_a_reader() -> None:
    needed = {operation.name: operation.role for operation in (*OPERATIONS, *intake.OPERATIONS)}
    assert {name: role for name, role in needed.items() if role is not Role.READER} == {
        "config.set": Role.ADMIN,
        "deadletters.get": Role.ADMIN,
        "deadletters.replay": Role.ADMIN,
        "spacecraft.register": Role.ADMIN,
        "events.record": Role.OPERATOR,
        "alarms.acknowledge": Role.OPERATOR,
        "alarms.comment": Role.OPERATOR,
        "alarms.shelve": Role.OPERATOR,
        "alarms.unshelve": Role.OPERATOR,
        "docs.create": Role.OPERATOR,
        "telemetry.take": Role.OPERATOR,
        "telemetry.takeBatch": Role.OPERATOR,
    }
