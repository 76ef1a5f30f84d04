"""Names of parameters: which are taken, and how many of them."""

MAX_NAME = 256
MAX_PARAMETERS = 10_000
"""In one snapshot, and in one config."""


def fault(name: str) -> str | None:
    """Why no snapshot can have a parameter of this name; None if one can."""
    if not 1 <= len(name) <= MAX_NAME:
        return f"a parameter's name has 1 to {MAX_NAME} characters"
    return "a parameter's name may not hold U+0000" if "\0" in name else None
