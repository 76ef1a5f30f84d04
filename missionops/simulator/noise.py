"""Reproducible noise: each parameter of each spacecraft has its own random stream, so none changes another."""

import math
import random

_UNIFORMS = 12
"""Their sum has a variance of 1 (Irwin-Hall): nearly normal, never beyond 6, and without the logarithm of libm."""


class Noise:
    """The noise of one spacecraft."""

    def __init__(self, seed: int, spacecraft_id: str) -> None:
        self._seed = f"{seed}/{spacecraft_id}"
        self._streams: dict[str, random.Random] = {}

    def normal(self, name: str, deviation: float = 1.0) -> float:
        """A draw around 0, from the stream of `name`."""
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = random.Random(f"{self._seed}/{name}")  # noqa: S311 - no secret
        total = -_UNIFORMS / 2
        for _ in range(_UNIFORMS):
            total += stream.random()  # not sum(), which rounds otherwise since Python 3.12
        return deviation * total


class Walk:
    """A random walk that returns to 0: an Ornstein-Uhlenbeck process (Gillespie, Phys. Rev. E 54, 2084)."""

    def __init__(self, noise: Noise, name: str, deviation: float, relaxation: float) -> None:
        self.value = noise.normal(f"{name} at first", deviation)
        self._noise = noise
        self._name = f"{name} walk"
        self._deviation = deviation
        self._relaxation = relaxation

    def advance(self, seconds: float) -> None:
        """Advance by a time well below `relaxation`."""
        share = seconds / self._relaxation
        self.value += self._noise.normal(self._name, self._deviation) * math.sqrt(2 * share) - self.value * share
