"""Series: the values of one parameter, one after another, as a person writes them."""

import re

from missionops.domain import number
from missionops.domain.parameter_set import Value
from missionops.errors import InvalidRequest

MAX_VALUES = 100_000
"""In one series."""


class NotReported:
    """Stands for a snapshot without the parameter: `_`."""


NOT_REPORTED = NotReported()

Item = Value | NotReported

_REPEATED = re.compile(r"(?P<value>.+?)x(?P<times>[0-9]{1,6})")
_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
_RISING = re.compile(rf"(?P<first>{_NUMBER})(?P<step>[-+]{_NUMBER.removeprefix('-?')})")


def values(given: str | list[Value], path: str) -> list[Item]:
    """The values of a series.

    A list holds them as they are, `_` where the parameter is not reported. A text holds them between spaces: `20`,
    `SAFE`, `true`, `null` (no value), `_`; `46x3` is 46 three times, `20+0.5x3` is 20 and then three more, each 0.5
    higher.
    """
    found: list[Item] = []
    for one in given.split() if isinstance(given, str) else given:
        if not isinstance(given, str) or not isinstance(one, str):
            found.append(NOT_REPORTED if one == "_" else one)
        elif (repeated := _REPEATED.fullmatch(one)) is None:
            found.append(_item(one))
        else:
            times = min(int(repeated["times"]), MAX_VALUES + 1)
            if rising := _RISING.fullmatch(repeated["value"]):
                first, step = _number(rising["first"]), _number(rising["step"])
                found += [first + index * step for index in range(times + 1)]
            else:
                found += [_item(repeated["value"])] * times
        if len(found) > MAX_VALUES:
            raise InvalidRequest(f"{path} holds more than {MAX_VALUES} values.")
    return found


def _item(token: str) -> Item:
    named: dict[str, Item] = {"_": NOT_REPORTED, "null": None, "true": True, "false": False}
    if token in named:
        return named[token]
    return _number(token) if re.fullmatch(_NUMBER, token) else token


def _number(token: str) -> int | float:
    try:
        exact: int | float = int(token)
    except ValueError:
        exact = float(token)
    kept = number.kept(exact)
    return exact if kept is None else kept
