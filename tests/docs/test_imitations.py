"""`docs/imitations.md` has a row for everything that the lab imitates; each row names existing code and tests."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import lab.hosts.commands  # noqa: F401  (registers the commands)
from lab.hosts.commands.openstack import SUBCOMMANDS
from lab.hosts.registry import COMMANDS, PACKAGES, UNITS
from lab.ufm.responses import application
from lab.ufm.urls import URLS

PROJECT = Path(__file__).resolve().parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (PROJECT / "docs/imitations.md").read_text().splitlines()
    if line.startswith("| `")
]
REFERENCE = re.compile(r"`([\w./-]+)(?::{1,2}(\w+))?`")
STAND_INS = ("lab/cloud/inside", "lab/fabric")
NO_IMITATION = {
    "lab/fabric/__main__.py": "the lab's own command line",
    "lab/fabric/child.py": "processes",
    "lab/fabric/client.py": "the lab's own protocol",
    "lab/fabric/server.py": "the lab's own protocol",
    "lab/fabric/service.py": "start and stop",
    "lab/fabric/sim.py": "the environment of umad2sim",
    "lab/fabric/state.py": "files",
    "lab/fabric/tools.py": "runs the real infiniband-diags",
}
"""Modules among the stand-ins that imitate nothing, and what they do."""


def place(function: object) -> str:
    """Return the name of a function as in the table."""
    return f"{function.__module__.replace('.', '/')}.py:{function.__qualname__}"  # type: ignore[attr-defined]


def imitated() -> Iterator[str]:
    for registry in (COMMANDS, UNITS, PACKAGES):
        yield from map(place, registry.functions())
    yield from (place(handler) for handler, _ in SUBCOMMANDS.values())
    yield from (place(response) for _, _, response in URLS)
    yield from map(place, (application.dologin, application.login_page))


@cache
def names(path: str) -> frozenset[str]:
    """Return the functions and classes that a Python file defines."""
    tree = ast.parse((PROJECT / path).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef))


@pytest.mark.parametrize("function", sorted(set(imitated())))
def test_every_command_and_endpoint_has_a_row(function: str) -> None:
    assert any(f"`{function}`" in row[0] for row in ROWS), f"add a row for `{function}` to docs/imitations.md"


@pytest.mark.parametrize(
    "module",
    sorted(
        str(file.relative_to(PROJECT))
        for folder in STAND_INS
        for file in (PROJECT / folder).glob("*.py")
        if file.name != "__init__.py"
    ),
)
def test_every_replacement_has_a_row_or_is_listed_as_no_imitation(module: str) -> None:
    listed = any(f"`{module}" in row[0] for row in ROWS)
    assert listed != (module in NO_IMITATION)


def test_the_command_plugin_has_a_row() -> None:
    assert any(row[0].startswith("`engine/command/") for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {row[1]}"[:80])
def test_a_row_names_existing_code_and_tests(row: list[str]) -> None:
    where, behaviour, source, test = row
    assert behaviour
    assert source
    places = REFERENCE.findall(where)
    assert "".join(re.sub(REFERENCE, "", where).split()).strip(",") == "", "write `path.py:name`, …"
    assert all((PROJECT / path).is_file() for path, _ in places)
    assert not [f"{path}:{name}" for path, name in places if name and name not in names(path)]
    tests = REFERENCE.findall(test)
    assert tests, "name a test"
    assert all(path.startswith("tests/") and (PROJECT / path).is_file() for path, _ in tests)
    assert not [f"{path}::{name}" for path, name in tests if name and name not in names(path)]
