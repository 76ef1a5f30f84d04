"""Judgements: what a check says of one sample."""

from typing import NamedTuple


class Judgement(NamedTuple):
    """What a check says of one sample."""

    level: int
    """0 where it is nominal, else that of its severity: 1 to 4."""
    limit: str = ""
    """The name of the limit that was broken."""
    bound: float | str = 0
    """The limit's value; for states the text of the sample."""
    excess: float = 0
    """How far beyond the limit it is."""


NOMINAL = Judgement(0)
