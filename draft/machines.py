"""Nodes from a table (CSV) or from TripleO's inventory (instackenv.json)."""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from draft.document import Document, put, type_problems
from rack.site import names

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "name": ("host", "hostname", "node"),
    "role": ("profile",),
    "address": ("ip", "ctlplane", "provisioning"),
    "guid": ("port guid",),
    "mac": ("pxe mac", "mac address"),
    "ipmi.address": ("ipmi", "bmc", "ipmi address", "bmc address", "pm addr"),
    "ipmi.user": ("ipmi user", "bmc user", "pm user"),
    "index": (),
}
"""Key of a node → other headings of its column, beside the key itself; upper case, _, - and . count as nothing."""
ROLES = {
    "controller": "Controller",
    "control": "Controller",
    "compute": "ComputeSriovIB",
    "computesriovib": "ComputeSriovIB",
}
"""Names of a role, also TripleO's profiles (C6)."""


class MachinesError(Exception):
    """A file of nodes cannot be used. The text has one line per problem: place, value found, what to write."""


@dataclass
class Machines:
    """The nodes of a file."""

    nodes: list[Document]
    passwords: dict[str, str] = field(default_factory=dict, repr=False)
    """BMC password by node, where the file has one. It never goes into the stack file."""


def read(file: Path) -> Machines:
    """Return the nodes of a file, by its ending: .json for an inventory of TripleO, else a table.

    Raises:
        MachinesError: the file cannot be read, or has an invalid value.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise MachinesError(f"{file}: cannot read the nodes: {reason}; write the path of a file") from None
    return _inventory(file, text) if file.suffix == ".json" else _table(file, text)


def _table(file: Path, text: str) -> Machines:
    delimiter = next((one for one in "\t;" if one in text.partition("\n")[0]), ",")
    rows = list(csv.reader(text.splitlines(), delimiter=delimiter, skipinitialspace=True))
    if not rows:
        raise MachinesError(f"{file}: found no line; write a line with the columns {', '.join(COLUMNS)}")
    keys = [_column(file, heading) for heading in rows[0]]
    nodes, problems = [], list[str]()
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) > len(keys):
            problems.append(f"{file}:{number}: found {len(row)} values for {len(keys)} columns; remove some")
            continue
        node: Document = {}
        for key, heading, cell in zip(keys, rows[0], row, strict=False):
            if cell.strip():
                problems += _set(node, key, cell.strip(), f"{file}:{number}: {heading.strip()}")
        _add_role(node)
        nodes.append(node)
    return _checked(file, nodes, problems, {})


def _column(file: Path, heading: str) -> str:
    plain = _plain(heading)
    for key, others in COLUMNS.items():
        if plain in (_plain(key), *map(_plain, others)):
            return key
    raise MachinesError(f"{file}:1: found the column {heading!r}; write some of {', '.join(COLUMNS)}")


def _plain(heading: str) -> str:
    return re.sub(r"[\s_.-]", "", heading.lower())


def _set(node: Document, key: str, text: str, where: str) -> Iterator[str]:
    """Write one value of a node, and yield what is wrong with it."""
    value: Any = text
    if key == "role":
        value = ROLES.get(_plain(text), text)
    elif key == "index" and text.isdigit():
        value = int(text)
    problems = type_problems(f"nodes[0].{key}", value)
    if key == "guid" and not problems:
        value = names.guid(text)
    put(node, key, value)
    yield from (f"{where}: {problem.partition(': ')[2]}" for problem in problems)


def _add_role(node: Document) -> None:
    """Write the role that the name of a node says, if it has none."""
    stem = re.sub(r"[^a-z].*", "", str(node.get("name", "")).lower())
    if "role" not in node and stem in ROLES:
        node["role"] = ROLES[stem]


def _inventory(file: Path, text: str) -> Machines:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise MachinesError(f"{file}: found text that is not JSON ({error}); correct the file") from None
    listed = found.get("nodes") if isinstance(found, dict) else found
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise MachinesError(f"{file}: nodes: found no list of nodes; write an inventory of TripleO (instackenv.json)")
    nodes, passwords, problems = [], {}, list[str]()
    for number, one in enumerate(listed):
        node: Document = {}
        for name, key, value in _values(one):
            problems += _set(node, key, value, f"{file}: nodes[{number}].{name}")
        _add_role(node)
        if one.get("pm_password") and node.get("name"):
            passwords[str(node["name"])] = str(one["pm_password"])
        nodes.append(node)
    return _checked(file, nodes, problems, passwords)


def _values(one: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield name in the inventory, key in the configuration and value of what a node of an inventory says."""
    profile = re.search(r"(?:^|,)profile:([^,]+)", _capabilities(one.get("capabilities")))
    macs = one.get("mac") or [port.get("address") for port in one.get("ports") or () if isinstance(port, dict)]
    mac = macs if isinstance(macs, str) else next(iter(macs), None)
    for name, key, value in (
        ("name", "name", one.get("name")),
        ("capabilities", "role", profile and profile[1]),
        ("mac", "mac", mac),
        ("pm_addr", "ipmi.address", one.get("pm_addr")),
        ("pm_user", "ipmi.user", one.get("pm_user")),
    ):
        if value:
            yield name, key, str(value)


def _capabilities(value: Any) -> str:
    """Return the capabilities as TripleO's text, which an inventory may also have as a mapping."""
    return ",".join(f"{key}:{one}" for key, one in value.items()) if isinstance(value, dict) else str(value or "")


def _checked(file: Path, nodes: list[Document], problems: list[str], passwords: dict[str, str]) -> Machines:
    if not nodes and not problems:
        problems = [f"{file}: found no node; write one per line or element"]
    if problems:
        raise MachinesError("\n".join(problems))
    return Machines(nodes, passwords)
