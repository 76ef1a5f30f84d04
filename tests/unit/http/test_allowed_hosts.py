"""Host headers that name this machine, and those that may name another."""

import pytest

from missionops.http.allowed_hosts import AllowedHosts, is_address


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST:8000", "ops.localhost", "127.0.0.1", "127.0.0.1:8000", "10.0.0.1:80", "[::1]",
        "[::1]:8000", "mine:8000", "Mine", "",
    ],
)  # fmt: skip
def test_names_of_this_machine(host: str) -> None:
    assert AllowedHosts(_nothing, "mine").is_own(host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "notlocalhost", "[",
        "[::1", "localhost@evil.example", "yours", "user@127.0.0.1.nip.io", "evil.example#127.0.0.1",
        "evil.example/localhost",
    ],
)  # fmt: skip
def test_names_that_may_be_somebody_elses(host: str) -> None:
    assert not AllowedHosts(_nothing, "mine").is_own(host)


def test_addresses() -> None:
    assert all(map(is_address, ["127.0.0.1", "::1", "192.0.2.7"]))
    assert not any(map(is_address, ["", "localhost", "1.2.3", "1.2.3.4.5", "127.1"]))


async def _nothing(scope, receive, send) -> None:
    raise AssertionError("nobody is asked here")
