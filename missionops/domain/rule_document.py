"""Rules as a config document gives them: their keys, and each fault with its path."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from missionops.domain import checks, identifier, parameter_name, rule_key, when
from missionops.domain.episodes import persistence
from missionops.domain.parameter_name import MAX_NAME, MAX_PARAMETERS
from missionops.domain.rule_key import MAX_TEXT, KeyCheck
from missionops.errors import Detail, InvalidRequest

OFF = "off"
"""The key of a rule that checks nothing for now; its value is a text that says why."""

MAX_DOCUMENTS = 16
MAX_FAULTS = 100
"""How many faults of one document are reported: the response has to fit into a message."""


def _off(path: str, value: object) -> rule_key.Faults:
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_TEXT:
        yield Detail(path, f"must be a text of 1 to {MAX_TEXT} characters that says why")


def _documents(path: str, value: object) -> rule_key.Faults:
    if not isinstance(value, list) or len(value) > MAX_DOCUMENTS:
        yield Detail(path, f"must be an array of at most {MAX_DOCUMENTS} ids of documents")
        return
    for index, one in enumerate(value):
        if not isinstance(one, str) or not identifier.is_id(one):
            yield Detail(f"{path}.{index}", f"must be the id of a document: {identifier.RULE}")


CHECK_KEYS: Mapping[str, KeyCheck] = {
    **{key: check for kind in checks.KINDS.values() for key, check in kind.keys.items()},
    **persistence.KEYS,
    "acknowledge": rule_key.boolean,
}
"""The keys that say what is checked, and which a `when` may replace."""

TEXT_KEYS: Mapping[str, KeyCheck] = {
    **dict.fromkeys(("unit", "description", "subsystem", "guidance"), rule_key.text),
    "documents": _documents,
}
"""The keys that are for people."""


def _when(path: str, value: object) -> rule_key.Faults:
    if not isinstance(value, list) or len(value) > when.MAX_WHEN:
        yield Detail(path, f"must be an array of at most {when.MAX_WHEN} objects")
        return
    for index, one in enumerate(value):
        place = f"{path}.{index}"
        if not isinstance(one, dict):
            yield Detail(place, "must be an object with if and the keys that it replaces")
            continue
        yield from when.faults(f"{place}.if", one.get("if"))
        for key, inner in one.items():
            if key == "if":
                continue
            if key not in CHECK_KEYS:
                yield Detail(f"{place}.{key[:MAX_NAME]}", f"is no key of a check; those are {', '.join(CHECK_KEYS)}")
            elif inner is not None:
                yield from CHECK_KEYS[key](f"{place}.{key}", inner)


KEYS: Mapping[str, KeyCheck] = {
    **CHECK_KEYS,
    **TEXT_KEYS,
    "when": _when,
    OFF: _off,
    "maskedBy": rule_key.parameter,
}


def faults(document: Mapping[str, Any]) -> Iterator[Detail]:
    """What is wrong with the rules of a document, in its order."""
    parameters = document.get("parameters", {})
    if not isinstance(parameters, dict):
        yield Detail("parameters", "must be an object: parameter name → limits")
        return
    if len(parameters) > MAX_PARAMETERS:
        yield Detail("parameters", f"may hold at most {MAX_PARAMETERS} parameters")
        return
    found = False
    for name, rule in parameters.items():
        for fault in rule_faults(f"parameters.{name[:MAX_NAME]}", name, rule):
            found = True
            yield fault
    if not found:
        yield from _masked_by_one_another(parameters)


def _masked_by_one_another(parameters: Mapping[str, Mapping[str, Any]]) -> Iterator[Detail]:
    """Parameters that mask themselves, directly or through others: nobody would be notified of any of them."""
    seen: set[str] = set()
    for first in parameters:
        chain: dict[str, None] = {}
        name = first
        while name in parameters and name not in seen:
            seen.add(name)
            chain[name] = None
            name = parameters[name].get("maskedBy", "")  # no parameter has an empty name
        if name in chain:
            yield Detail(
                f"parameters.{name[:MAX_NAME]}.maskedBy",
                "leads back to the parameter itself: nobody would be notified of its alarms",
            )


def rule_faults(path: str, name: str, rule: object) -> Iterator[Detail]:
    """What is wrong with the rule of one parameter."""
    if fault := parameter_name.fault(name):
        yield Detail(path, fault)
    elif not isinstance(rule, dict):
        yield Detail(path, f"must be an object with any of {', '.join(checks.limit.NAMES)}, …")
    else:
        found: list[Detail] = []
        for key, value in rule.items():
            place = f"{path}.{key[:MAX_NAME]}"
            if check := KEYS.get(key):
                found += check(place, value)
            else:
                found.append(Detail(place, f"is no key of a rule; the keys are {', '.join(KEYS)}"))
        found = found or [*_contradictions(path, rule)]
        if not found:
            merged = ((index, merge(rule, one)) for index, one in enumerate(rule.get("when", ())))
            found = [fault for index, one in merged for fault in _contradictions(f"{path}.when.{index}", one)]
        yield from found


def _contradictions(path: str, rule: Mapping[str, Any]) -> Iterator[Detail]:
    for kind in checks.KINDS.values():
        yield from kind.contradictions(path, rule)


def merge(rule: Mapping[str, Any], one: Mapping[str, Any]) -> dict[str, Any]:
    """The rule that one object of its `when` makes: key by key in place of the rule's own, null takes one away."""
    return {key: value for key, value in {**rule, **one}.items() if key in CHECK_KEYS and value is not None}


def refuse_faults(document: Mapping[str, Any]) -> None:
    """InvalidRequest with the paths of a document's faults, if it has any."""
    if found := tuple(islice(faults(document), MAX_FAULTS)):
        raise refusal(found)


def refusal(found: Sequence[Detail]) -> InvalidRequest:
    """The refusal of a config document with these faults."""
    return InvalidRequest(f"Config refused: {found[0].path}: {found[0].message}", tuple(found))
