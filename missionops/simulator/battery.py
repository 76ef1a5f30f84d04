"""A battery between a solar array and the load of the spacecraft: its charge is counted as energy."""

FULL = 100.0
_TAPER = 10.0
"""Per cent below full at which the charger begins to reduce its current (constant voltage after constant current)."""
_EFFICIENCY = 0.95


class Battery:
    """Its state of charge in per cent."""

    def __init__(self, capacity_wh: float, charge: float = 95.0) -> None:
        self.charge = charge
        self.power = 0.0
        """Watts into the battery, negative out of it."""
        self._capacity_wh = capacity_wh

    def advance(self, seconds: float, array_power: float, load: float) -> float:
        """Store the surplus or supply what is missing; returns the watts that the array supplies."""
        surplus = array_power - load
        if surplus > 0:
            surplus *= min((FULL - self.charge) / _TAPER, 1.0)
        self.power = surplus
        stored = surplus * (_EFFICIENCY if surplus > 0 else 1.0) * seconds / 3600
        self.charge = min(max(self.charge + FULL * stored / self._capacity_wh, 0.0), FULL)
        return min(load + max(surplus, 0.0), array_power)

    def voltage(self, cells: int, resistance: float) -> float:
        """Of so many lithium-ion cells in series: rising with the charge, and with the current through `resistance`."""
        open_circuit = cells * (3.4 + 0.75 * self.charge / FULL)
        return open_circuit + resistance * self.power / open_circuit
