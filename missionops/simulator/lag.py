"""Quantities that follow a target slowly."""


def toward(value: float, target: float, seconds: float, constant: float) -> float:
    """`value` on its way to `target` with a time constant: the first-order lag, by Euler's implicit step."""
    return value + (target - value) * seconds / (constant + seconds)
