"""What a spacecraft's id may be: one NATS subject token."""

import re

ID_PATTERN = "[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
ID_RULE = "1 to 64 letters, digits, _ or -, the first a letter or digit"

_ID = re.compile(ID_PATTERN)


def is_id(text: str) -> bool:
    """Whether `text` can name a spacecraft."""
    return _ID.fullmatch(text) is not None
