"""Roll-ups do not depend on how the snapshots are cut into portions."""

from hypothesis import given
from hypothesis import strategies as st

from missionops.domain import roll_up
from missionops.domain.roll_up import Bucket, RollUpStream, Row
from missionops.domain.timestamp import DAY, HOUR, MINUTE

BASE = 20_000 * DAY

numbers = st.none() | st.lists(st.none() | st.sampled_from([0.0, -0.0, 1.0, 1e300, -5e-324]), max_size=3)
others = st.none() | st.sampled_from(
    [b'{"m":"A"}', b'{"m":true,"n":9007199254740993}', b'{"n":null}', b'{"n":1.5,"m":2}']
)


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    """Snapshots of some hours: many in some of the minutes and few in others."""
    kinds = draw(st.lists(st.tuples(st.integers(1, 3), numbers, others), min_size=1, max_size=6))
    found: list[Row] = []
    for minute in draw(st.sets(st.integers(0, 185), max_size=6)):
        count = draw(st.integers(1, 100))
        for index in range(count):
            set_id, values, text = kinds[(index * 7 + minute) % len(kinds)]
            second = minute * 60 + index // 2 * 1.1
            found.append((second, (index // 40) % 3, set_id if values is not None else 0, values, text))
    return sorted(found, key=lambda row: row[0])


def by_level(found: list[tuple[int, int, Bucket]]) -> dict[tuple[int, int], Bucket]:
    return {(level, start): bucket for level, start, bucket in found if roll_up.is_kept(bucket)}


@given(rows(), st.lists(st.integers(1, 50), min_size=1, max_size=20))
def test_any_portions_give_what_all_at_once_gives(snapshots, sizes):
    stream = RollUpStream(BASE)
    found: list[tuple[int, int, Bucket]] = []
    position, turn = 0, 0
    while position < len(snapshots):
        size = sizes[turn % len(sizes)]
        found += stream.add(snapshots[position : position + size])
        position, turn = position + size, turn + 1
    found += stream.finish()

    whole = {}
    for level in (MINUTE, HOUR):
        for start in sorted({int(row[0] * 1e6) // level for row in snapshots}):
            bucket = roll_up.summarize([row for row in snapshots if int(row[0] * 1e6) // level == start], BASE)
            if roll_up.is_kept(bucket):
                whole[level, BASE + start * level] = bucket
    assert by_level(found) == whole


def test_a_spacecraft_that_invents_names_or_versions_has_no_roll_up():
    many = b"{" + b",".join(b'"n%d":"x"' % number for number in range(2_001)) + b"}"
    kept = [(float(second), 1, 1, [1.0], None) for second in range(59)]
    assert roll_up.is_kept(roll_up.summarize(kept, BASE))
    assert not roll_up.is_kept(roll_up.summarize([*kept, (59.0, 1, 1, [1.0], many)], BASE))
    assert not roll_up.is_kept(roll_up.summarize([(row[0], index, *row[2:]) for index, row in enumerate(kept)], BASE))


def test_many_sets_in_few_snapshots_have_no_roll_up():
    assert not roll_up.is_kept(roll_up.summarize([(float(n), 1, 1 + n % 2, [1.0], None) for n in range(59)], BASE))
    assert roll_up.is_kept(roll_up.summarize([(float(n), 1, 1 + n % 2, [1.0], None) for n in range(60)], BASE))
