"""`docs/imitations.md` has a row for everything that the lab imitates; each row names existing code and tests."""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

import lab.hosts.commands  # noqa: F401  (registers the commands)
from lab.hosts.commands.openstack import SUBCOMMANDS
from lab.hosts.registry import COMMANDS, PACKAGES, UNITS
from lab.ufm.responses import application
from lab.ufm.simulator import Quirks
from lab.ufm.urls import URLS
from tests.docs.rows import for_each

PROJECT = Path(__file__).resolve().parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (PROJECT / "docs/imitations.md").read_text().splitlines()
    if line.startswith("| `")
]
REFERENCE = re.compile(r"`([\w./-]+)(?::{1,2}(\w+))?`")
STAND_INS = (
    "lab/cloud", "lab/cloud/inside", "lab/fabric", "lab/hosts", "lab/hosts/backends", "lab/hosts/commands",
    "lab/hosts/kinds", "lab/ufm", "lab/ufm/responses",
)  # fmt: skip
REFUSALS = {
    "BadRequestError", "Become", "ForbiddenError", "Hangup", "NotFoundError", "Refusal", "RefusedError",
    "UnauthorizedError",
}  # fmt: skip
"""What a stand-in raises to refuse something as the real thing would, or to run something else in its place."""
NO_IMITATION = {
    "lab/cloud/client.py": "the lab's client of the real services",
    "lab/cloud/folders.py": "paths",
    "lab/cloud/installation.py": "installs the real services",
    "lab/cloud/journal.py": "the command line of a switch",
    "lab/cloud/processes.py": "processes of the real services",
    "lab/cloud/service.py": "start and stop",
    "lab/hosts/__main__.py": "the lab's own command line",
    "lab/hosts/backends/interfaces.py": "what hosts know of cloud, fabric and UFM",
    "lab/hosts/backends/lab.py": "the lab's cloud, fabric and UFM",
    "lab/hosts/backends/lab_cloud.py": "the client of the real services",
    "lab/hosts/backends/lab_fabric.py": "the client of the fabric",
    "lab/hosts/backends/lab_ufm.py": "the client of the lab's UFM",
    "lab/hosts/client.py": "the lab's own protocol",
    "lab/hosts/connections.py": "a counter of connections",
    "lab/hosts/keeper.py": "runs the commands' functions",
    "lab/hosts/keys.py": "SSH keys of the lab",
    "lab/hosts/outcomes.py": "exceptions",
    "lab/hosts/part.py": "start and stop",
    "lab/hosts/rack.py": "the hosts of the plan",
    "lab/hosts/registry.py": "names of the commands",
    "lab/hosts/state.py": "files",
    "lab/ufm/__main__.py": "the lab's own command line",
    "lab/ufm/admin.py": "the lab's own protocol, for faults and switches",
    "lab/ufm/errors.py": "exceptions",
    "lab/ufm/request_log.py": "a list of requests for tests",
    "lab/ufm/server.py": "processes",
    "lab/ufm/service.py": "start and stop",
    "lab/ufm/settings.py": "files",
    "lab/ufm/urls.py": "the list of the endpoints",
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


@for_each(sorted(set(imitated())))
def test_every_command_and_endpoint_has_a_row(function: str) -> None:
    assert any(f"`{function}`" in row[0] for row in ROWS), f"add a row for `{function}` to docs/imitations.md"


MODULES = sorted(
    str(file.relative_to(PROJECT))
    for folder in STAND_INS
    for file in (PROJECT / folder).glob("*.py")
    if file.name != "__init__.py"
)


@for_each(MODULES)
def test_every_replacement_has_a_row_or_is_listed_as_no_imitation(module: str) -> None:
    listed = any(f"`{module}" in row[0] for row in ROWS)
    assert listed != (module in NO_IMITATION)


@cache
def listed(path: str) -> frozenset[str]:
    """Return the functions and classes of a module that have a row; all of them if the module itself has one."""
    places = {place for row in ROWS for place in REFERENCE.findall(row[0]) if place[0] == path}
    return names(path) if (path, "") in places else frozenset(name for _, name in places)


@cache
def units(path: str) -> dict[str, ast.AST]:
    """Return the functions, classes and constants of a module: a constant may list functions."""
    body = ast.parse((PROJECT / path).read_text()).body
    found: dict[str, ast.AST] = {node.name: node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        found |= {target.id: node for target in targets if isinstance(target, ast.Name)}
    return found


@cache
def used(unit: ast.AST) -> set[str]:
    """Return the names that a function or class uses."""
    parts = list(ast.walk(unit))
    return {one.id for one in parts if isinstance(one, ast.Name)} | {
        one.attr for one in parts if isinstance(one, ast.Attribute)
    }


def refuses(unit: ast.AST) -> bool:
    raised = [one.exc for one in ast.walk(unit) if isinstance(one, ast.Raise)]
    calls = [one.func if isinstance(one, ast.Call) else one for one in raised]
    return any(isinstance(one, ast.Name) and one.id in REFUSALS for one in calls)


def without_a_row(path: str) -> list[str]:
    """Return the functions and classes that refuse something, and that no listed one of the module uses."""
    all_units = units(path)
    known, new = set[str](), set(listed(path))
    while new:
        known |= new
        new = {name for name in all_units if any(name in used(all_units[one]) for one in known)} - known
    return [name for name, unit in all_units.items() if refuses(unit) and name not in known]


@for_each([module for module in MODULES if module not in NO_IMITATION])
def test_everything_that_refuses_something_has_a_row(module: str) -> None:
    assert without_a_row(module) == [], f"add a row for each of them in {module}, with its source and a test"


def test_a_refusal_without_a_row_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    path = "lab/hosts/commands/firmware.py"
    assert without_a_row(path) == []
    monkeypatch.setitem(globals(), "listed", lambda _path: {"mstflint"})
    assert "_device" in without_a_row(path) or "_set" in without_a_row(path)


@for_each([field.name for field in fields(Quirks)])
def test_every_switch_has_a_row_with_a_test_that_sets_it(switch: str) -> None:
    rows = [row for row in ROWS if f"switch `{switch}`" in row[1]]
    assert rows, f"add switch `{switch}` to the row of the behaviour that it changes"
    assert any(switch in (PROJECT / path).read_text() for row in rows for path, _ in REFERENCE.findall(row[3]))


def commands() -> Iterator[tuple[str, str]]:
    """Yield each command's name with the function that imitates it."""
    for (_, name), function in COMMANDS._functions.items():
        if not name.startswith("lab-"):  # A part of a real command in the lab, such as of ssh
            yield name, place(function)


@for_each(sorted(set(commands())))
def test_a_test_of_the_row_runs_the_command(command: tuple[str, str]) -> None:
    name, function = command
    tests = [path for row in ROWS if f"`{function}`" in row[0] for path, _ in REFERENCE.findall(row[3])]
    assert any(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", (PROJECT / path).read_text()) for path in tests)


def test_the_command_plugin_has_a_row() -> None:
    assert any(row[0].startswith("`engine/command/") for row in ROWS)


@for_each(ROWS, lambda row: f"{row[0]} {row[1]}")
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
