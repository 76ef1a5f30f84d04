"""Ids of events and documents, which their authors may choose."""

import re

PATTERN = "[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"
RULE = "1 to 128 letters, digits, _, . or -, the first a letter or digit"

_ID = re.compile(PATTERN)


def is_id(text: str) -> bool:
    """Whether `text` can name an event or a document."""
    return _ID.fullmatch(text) is not None
