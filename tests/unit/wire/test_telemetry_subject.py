"""What a stored subject says of the spacecraft, and of the subject that was published to."""

import pytest

from missionops.wire import telemetry_subject

LONGEST = b"a" * 64


@pytest.mark.parametrize("partition", [b"0", b"7", b"15", b"1023"])
@pytest.mark.parametrize("name", [b"SC-1", b"0", LONGEST])
def test_the_token_after_the_partition_is_the_spacecraft(partition, name):
    stored = b"telemetry." + partition + b"." + name
    assert telemetry_subject.spacecraft_id(stored) == name.decode()
    assert telemetry_subject.published(stored) == f"telemetry.{name.decode()}"


@pytest.mark.parametrize(
    ("stored", "published"),
    [
        (b"telemetry.3.0.SC-2", "telemetry.0.SC-2"),
        (b"telemetry.3.SC-2.x", "telemetry.SC-2.x"),
        (b"telemetry.3._x", "telemetry._x"),
        (b"telemetry.3." + LONGEST + b"a", f"telemetry.{LONGEST.decode()}a"),
        (b"telemetry.3.a\xffb", "telemetry.a\\xffb"),
        (b"telemetry.*", "telemetry.*"),
        (b"telemetry.>", "telemetry.>"),
        (b"telemetry.*.SC-2", "telemetry.*.SC-2"),
        (b"telemetry.>.SC-2", "telemetry.>.SC-2"),
        (b"telemetry.0.*", "telemetry.0.*"),
        (b"telemetry.0.>", "telemetry.0.>"),
        (b"telemetry.0.*.SC-2", "telemetry.0.*.SC-2"),
        (b"telemetry.3.a*b", "telemetry.a*b"),
    ],
)
def test_all_else_is_no_spacecrafts(stored, published):
    assert telemetry_subject.spacecraft_id(stored) is None
    assert telemetry_subject.published(stored) == published
    assert telemetry_subject.fault(stored).startswith(f"subject: {published}")


def test_a_long_subject_is_cut_where_it_is_shown():
    assert len(telemetry_subject.fault(b"telemetry.3." + b"x" * 4_000)) < 512
    assert len(telemetry_subject.fault(b"telemetry.3" + b".x" * 2_000)) < 512
