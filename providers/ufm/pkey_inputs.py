"""The inputs of `PKey`: their defaults, and the check that reports every mistake at once without a network call."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from pulumi.output import Unknown

from . import member, partition
from .declared import AUTHORITATIVE, FOREIGN
from .handler import CheckFailure, CheckResult, Props
from .partition import QOS

DEFAULTS: Props = {"membership": "full", "index0": False, "ownership": AUTHORITATIVE, "adopt": False}
CHOICES = {"membership": member.MEMBERSHIPS, "ownership": (AUTHORITATIVE, "additive")}
SWITCHES = ("index0", "ip_over_ib", "adopt")

AUTHORITATIVE_ONLY = ("qos", "partition_name")
"""Inputs that concern the partition as a whole, so only its one owner may set them."""

COMPARED = ("pkey", "members", "membership", "index0", "ip_over_ib", "ownership", *AUTHORITATIVE_ONLY)
"""All inputs but `adopt`, which permits an action and describes nothing at UFM."""


def check(given: Props) -> CheckResult:
    """Return the inputs with defaults and in UFM's spelling, and all failures. Unknown values pass."""
    inputs = {**DEFAULTS, **given}
    failures: list[CheckFailure] = []
    inputs["pkey"] = _spelled(partition.usable_pkey, inputs.get("pkey"), "pkey", failures)
    inputs["members"] = _members(inputs, failures)
    for key, allowed in CHOICES.items():
        if not isinstance(inputs[key], Unknown) and inputs[key] not in allowed:
            failures.append(CheckFailure(key, f"found {inputs[key]!r}; write {' or '.join(map(repr, allowed))}"))
    for key in SWITCHES:
        if not isinstance(inputs.get(key, False), Unknown | bool):
            failures.append(CheckFailure(key, f"found {inputs[key]!r}; write true or false"))
    failures += [*_additive_failures(inputs), *_name_failures(inputs), *_qos_failures(inputs)]
    return CheckResult(inputs, failures)


def _spelled(spell: Callable[[str], str], value: Any, path: str, failures: list[CheckFailure]) -> Any:
    if isinstance(value, Unknown):
        return value
    try:
        if not isinstance(value, str):
            raise ValueError(f"found {value!r}; write a string of hex digits")
        return spell(value)
    except ValueError as error:
        failures.append(CheckFailure(path, str(error)))
        return value


def _members(inputs: Props, failures: list[CheckFailure]) -> Any:
    value = inputs.get("members")
    if isinstance(value, Unknown):
        return value
    if not isinstance(value, Mapping) or not value:
        # UFM deletes a partition with its last member, so it could not keep an empty one.
        failures.append(CheckFailure("members", f"found {value!r}; write at least one port as 'host/port': 'GUID'"))
        return value
    members: Props = {}
    names: dict[str, str] = {}
    for name, written in sorted(value.items()):  # maps lose their order on the wire; the failures' order stays the same
        path = f'members["{name}"]'
        if name.startswith(FOREIGN):
            failures.append(CheckFailure(path, f"{FOREIGN!r} marks members that are not declared; write host/port"))
        members[name] = written
        if isinstance(written, Unknown):
            continue
        try:
            found = member.settings(written)
        except member.MemberError as error:
            failures.append(CheckFailure(f"{path}.{error.key}" if error.key else path, str(error)))
            continue
        members[name], guid = member.text(found, inputs), found["guid"]
        if isinstance(guid, str) and names.setdefault(guid, name) != name:
            failures.append(CheckFailure(path, f"found {guid!r} again; {names[guid]} has it; write another GUID"))
    return members


def _additive_failures(inputs: Props) -> list[CheckFailure]:
    if inputs["ownership"] != "additive":
        return []
    reason = 'ownership="additive" leaves it to the partition\'s owner; remove this input'
    return [CheckFailure(key, reason) for key in AUTHORITATIVE_ONLY if inputs.get(key) is not None]


def _name_failures(inputs: Props) -> list[CheckFailure]:
    name = inputs.get("partition_name", "x")
    if isinstance(name, Unknown) or (isinstance(name, str) and re.fullmatch(r"[\w.-]{1,64}", name)):
        return []
    return [CheckFailure("partition_name", f"found {name!r}; write 1 to 64 letters, digits, '_', '.' or '-'")]


def _qos_failures(inputs: Props) -> list[CheckFailure]:
    qos = inputs.get("qos", {})
    if isinstance(qos, Unknown):
        return []
    failures = []
    for key, value in sorted(qos.items()) if isinstance(qos, Mapping) else [("", qos)]:
        if key not in QOS:
            failures.append(CheckFailure(f"qos.{key}", f"found {key or value!r}; write one of {', '.join(QOS)}"))
        elif not isinstance(value, Unknown) and (isinstance(value, bool) or value not in QOS[key]):
            allowed = ", ".join(f"{number:g}" for number in QOS[key])
            failures.append(CheckFailure(f"qos.{key}", f"found {value!r}; write one of {allowed}"))
    return failures
