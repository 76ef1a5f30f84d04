"""The limits of a parameter as responses show them."""

from collections.abc import Mapping

import msgspec

from missionops.domain.checks.limit import NAMES


class LimitsOfParameter(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """The limits of a parameter, those that it has."""

    severe_low: float | None = None
    crit_low: float | None = None
    warn_low: float | None = None
    watch_low: float | None = None
    watch_high: float | None = None
    warn_high: float | None = None
    crit_high: float | None = None
    severe_high: float | None = None


_FIELDS = dict(zip(LimitsOfParameter.__struct_fields__, NAMES, strict=True))


def by_field(limits: Mapping[str, float]) -> dict[str, float | None]:
    """The limits of a config, which are named as in its document, by the fields of `LimitsOfParameter`."""
    return {field: limits.get(name) for field, name in _FIELDS.items()}
