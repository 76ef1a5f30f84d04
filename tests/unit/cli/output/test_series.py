"""The head of a series: how many samples it has, and how many texts and booleans."""

from typing import Any

import pytest

from missionops.cli.output import series

SAMPLES: dict[str, Any] = {"parameter": "temp", "kind": "samples", "gap": None, "violations": {}}


@pytest.mark.parametrize(
    ("count", "others", "head"),
    [
        (1, 0, "temp: 1 sample"),
        (2, 1, "temp: 2 samples, 1 text or boolean"),
        (1, 2, "temp: 1 sample, 2 texts or booleans"),
    ],
)
def test_the_head_counts_in_plain_english(count, others, head, capsys):
    one = SAMPLES | {"t": [*range(count)], "value": [20.5] * count, "others": others}
    series.show({"origin": "2025-01-01T00:00:00Z", "step": 1, "series": [one]})
    assert capsys.readouterr().out.splitlines()[0] == head
