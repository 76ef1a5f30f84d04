"""Where a delivery stands in the stream, from each form of its reply subject (ADR-15)."""

import pytest

from subscribers.telemetry.consumer import tokens_from_sequence


@pytest.mark.parametrize(
    "reply",
    [
        b"$JS.ACK.TELEMETRY.missionops-0.1.34.12.1760000000000000000.5",
        b"$JS.ACK.hub.AC0HASH.TELEMETRY.missionops-0.1.34.12.1760000000000000000.5",
        b"$JS.ACK._.AC0HASH.TELEMETRY.missionops-0.1.34.12.1760000000000000000.5.rAnDoM",
    ],
)
def test_the_sequence_is_found_in_each_form(reply):
    _, *words = reply.rsplit(b".", tokens_from_sequence(reply))
    assert words[:4] == [b"34", b"12", b"1760000000000000000", b"5"]
