"""Who makes room where there are too many connections."""

import logging

import pytest

from missionops.http import connections
from missionops.http.connections import Connections


class Client:
    """A connection that says whether it was ended."""

    def __init__(self) -> None:
        self.is_ended = False

    def abort(self) -> None:
        self.is_ended = True


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST", 4)
    monkeypatch.setattr(connections, "_SPARE", 2)


def opened(among: Connections, count: int, now: float) -> list[Client]:
    """New clients, each of whom has something to say."""
    clients = [Client() for _ in range(count)]
    for client in clients:
        among.opened(client, now)
        among.expects(client, now)
    return clients


def ended(clients: list[Client]) -> list[int]:
    return [number for number, client in enumerate(clients) if client.is_ended]


def test_the_one_that_was_silent_longest_makes_room() -> None:
    among = Connections()
    clients = [client for now in range(4) for client in opened(among, 1, now)]
    among.expects(clients[0], 4)  # has said a byte
    opened(among, 1, 5)
    assert ended(clients) == [1]
    among.answers(clients[2])
    opened(among, 1, 6)
    assert ended(clients) == [1, 3]


def test_whoever_has_just_come_is_not_closed_while_there_is_another_way() -> None:
    among = Connections()
    served = opened(among, 4, 0)
    for client in served:
        among.answers(client)
    late = opened(among, 2, 0.1)
    assert (ended(served), ended(late)) == ([], [])
    later = opened(among, 1, 0.2)
    assert (ended(served), ended(late), ended(later)) == ([], [0], [])


def test_nobody_who_is_being_answered_is_closed_for_a_new_one() -> None:
    among = Connections()
    clients = opened(among, 6, 0)
    for client in clients:
        among.answers(client)
    late = Client()
    among.opened(late, 9)
    assert (ended(clients), late.is_ended) == ([], True)


def test_one_that_takes_nothing_makes_room_after_the_silent() -> None:
    among = Connections()
    clients = opened(among, 4, 0)
    for client in clients[:3]:
        among.answers(client)
    among.stalls(clients[1], 1)
    among.stalls(clients[2], 2)
    opened(among, 1, 5)
    assert ended(clients) == [3]
    among.goes_on(clients[1])
    opened(among, 1, 5)
    assert ended(clients) == [2, 3]


def test_memory_is_taken_from_one_that_has_taken_nothing_for_long() -> None:
    among = Connections()
    clients = opened(among, 2, 0)
    for now, client in enumerate(clients, start=10):
        among.stalls(client, now)
    among.close_stalled(11.9)
    assert ended(clients) == []
    among.close_stalled(12)
    among.close_stalled(12)
    assert ended(clients) == [0]


def test_it_is_said_once_a_spell(caplog: pytest.LogCaptureFixture) -> None:
    among = Connections()
    with caplog.at_level(logging.WARNING):
        for now in range(200):
            opened(among, 1, now / 10)
        assert len(caplog.records) == 1
        opened(among, 1, 100)
        assert len(caplog.records) == 2
