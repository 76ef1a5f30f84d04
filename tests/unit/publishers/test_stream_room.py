"""Which subjects make room in a stream that is full: those that hold the most."""

import pytest

from publishers.stream_room import Share, purges


def shares(**held: tuple[int, float]) -> list[Share]:
    return [Share("S", subject, *found) for subject, found in held.items()]


def kept(surplus: float, **held: tuple[int, float]) -> dict[str, int]:
    return {purge.share.subject: purge.keep for purge in purges(shares(**held), surplus)}


@pytest.mark.parametrize(
    ("surplus", "held", "keep"),
    [
        (300, {"flood": (1_000, 1_000.0), "quiet": (10, 10.0)}, {"flood": 700}),
        # By bytes, not by count: large messages weigh more than many small ones.
        (300, {"large": (10, 1_000.0), "many": (100, 100.0)}, {"large": 7}),
        # Two that flood pay alike; the third keeps what it has.
        (1_000, {"a": (1_000, 1_000.0), "b": (800, 800.0), "c": (100, 100.0)}, {"a": 400, "b": 400}),
        # The last message stays, however much is wanted.
        (10_000, {"a": (100, 100.0), "b": (1, 50.0)}, {"a": 1}),
        (10, {}, {}),
        (0, {"a": (5, 5.0)}, {}),
        (10, {"a": (0, 0.0)}, {}),
    ],
)
def test_who_holds_the_most_makes_room_first(surplus: float, held: dict[str, tuple[int, float]], keep: dict[str, int]):
    assert kept(surplus, **held) == keep


def test_of_few_subjects_at_a_time():
    quiet = {f"s{number}": (100, 100.0) for number in range(1_000)}
    floods = {f"f{number}": (5_000, 5_000.0) for number in range(40)}
    assert kept(40 * 2_500, **quiet | floods) == {f"f{number}": 2_500 for number in range(16)}
