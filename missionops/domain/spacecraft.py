"""What a spacecraft's id may be: one NATS subject token."""

import re

ID_LENGTH = 64
ID_PATTERN = f"[A-Za-z0-9][A-Za-z0-9_-]{{0,{ID_LENGTH - 1}}}"
ID_RULE = f"1 to {ID_LENGTH} letters, digits, _ or -, the first a letter or digit"

FLEET = "_fleet"
"""Stands for a spacecraft's id where something is about no one of them; it is none."""

_ID = re.compile(ID_PATTERN)


def rule(*, or_fleet: bool) -> str:
    """What an id may be, for a person."""
    return f"{ID_RULE}; or {FLEET} for what is about no one spacecraft" if or_fleet else ID_RULE


def is_id(text: str) -> bool:
    """Whether `text` can name a spacecraft."""
    return _ID.fullmatch(text) is not None
