"""Which directory may import what, and that no two modules import each other.

The imports are read from the source, not from running modules: a function-level import and one under `TYPE_CHECKING`
count like any other. The table below also stands in docs/architecture.md.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import networkx as nx
import pytest

from tests.engine.record import PROGRAM

PROJECT = Path(__file__).resolve().parent.parent

STANDARD_LIBRARY = "standard library"
PYTHON_36 = "standard library of Python 3.6"
ANYTHING = "anything"

ALLOWED: Mapping[str, frozenset[str]] = {
    place: frozenset(re.split(r",\s+", imports))
    for place, imports in {
        "__main__.py": "access, components, rack, pulumi",
        "rack": "rack, standard library, annotated_types, pydantic, pydantic_core, yaml",
        "rack/__main__.py": "doctor, draft, drift, rack, recovery, review, status, onhost.undercloud.orders, "
        "onhost.undercloud.templates, standard library",
        "rack/wallaby/inside": "rack/wallaby/inside, standard library, ansible, baremetal_deploy, heat, heatclient, "
        "network_data_v2, os_net_config, osc_lib, oslo_config, oslo_utils, tripleo_common, tripleoclient, yaml",
        "components": "access, cloud, components, onhost, providers.ufm, rack, standard library, pulumi, "
        "pulumi_command, pulumi_openstack",
        "access": "access, onhost, rack, standard library, pulumi, pulumi_command",
        "cloud": "cloud, rack, standard library, pulumi",
        "ci": "ci, standard library, requests",
        "doctor": "access, components.guest_images, components.ufm_host, doctor, onhost, providers.ufm, rack, "
        "standard library, pulumi, yaml",
        "draft": "draft, providers.ufm, rack, standard library, pydantic, pydantic_core, yaml",
        "drift": "access, components.ufm_host, doctor.case, doctor.ssh, drift, onhost, rack, review, standard library, "
        "yaml",
        "status": "drift, status, standard library",
        "doctor/__main__.py": "rack.__main__, standard library",
        "recovery": "cloud.client, cloud.kinds, providers.ufm, recovery, review.preview, standard library",
        "review": "rack, review, standard library",
        "onhost": "onhost, standard library of Python 3.6",
        "providers": "providers.ufm, standard library, google.protobuf, grpc, pulumi, requests",
        "lab": "lab, rack, standard library, cryptography, flask, pydantic, pydantic_core, requests, werkzeug, yaml",
        "lab/cloud/inside": "lab.cloud.inside, standard library, eventlet, keystone, neutron, neutron_lib, nova, "
        "os_resource_classes, oslo_config, oslo_log, oslo_serialization, placement, waitress",
        "engine": "engine, standard library",
        "harness": "engine, harness, lab, standard library",
        "benchmarks": "benchmarks, components, engine, harness, lab, providers.ufm, standard library, pulumi, "
        "pulumi_openstack, requests",
        "tests": "anything",
    }.items()
}
"""Directory or file → what it may import: a module stands for all modules below it. The longest match decides."""

SINCE_36 = frozenset({"contextvars", "dataclasses", "graphlib", "tomllib", "zoneinfo"})
"""Modules that the standard library gained after Python 3.6."""


@cache
def sources() -> tuple[Path, ...]:
    """Return every Python file of the project, relative to its root."""
    folders = [folder for folder in PROJECT.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    files = [*PROJECT.glob("*.py"), *(file for folder in folders for file in folder.rglob("*.py"))]
    return tuple(sorted(file.relative_to(PROJECT) for file in files))


def place_of(file: Path) -> str | None:
    """Return the row of the table that applies to the file: its own, or its nearest directory's."""
    return next((str(place) for place in (file, *file.parents) if str(place) in ALLOWED), None)


def name_of(file: Path) -> str:
    """Return the dotted name under which the file is imported."""
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> Mapping[str, Path]:
    """Return every module of the project by its dotted name."""
    return {name_of(file): file for file in sources()}


@cache
def imports_of(file: Path) -> frozenset[str]:
    """Return the dotted name of every module that the file imports, or whose resources it reads, at any level."""
    return frozenset(_imports(file))


def _imports(file: Path) -> Iterator[str]:
    package = name_of(file).split(".") if file.name == "__init__.py" else name_of(file).split(".")[:-1]
    for node in ast.walk(ast.parse((PROJECT / file).read_text(), str(file))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*above, *filter(None, [node.module])])
            for alias in node.names:
                name = f"{origin}.{alias.name}"
                yield name if name in modules() or sibling(file, name) else origin
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"files", "importlib.import_module"}:
            yield from (str(value.value) for value in node.args if isinstance(value, ast.Constant))


def sibling(file: Path, name: str) -> Path | None:
    """Return the file of a program that its neighbours import by its bare name, as rack/wallaby/inside does."""
    beside = file.parent / f"{name.replace('.', '/')}.py"
    return beside if not (PROJECT / file.parent / "__init__.py").exists() and (PROJECT / beside).exists() else None


def within(name: str, module: str) -> bool:
    """Tell whether `name` is `module` or below it."""
    return name == module or name.startswith(f"{module}.")


def allows(file: Path, allowed: str, name: str) -> bool:
    """Tell whether one entry of the table lets the file import the module."""
    root = name.split(".")[0]
    beside = sibling(file, name)
    if allowed == ANYTHING:
        return True
    if allowed == STANDARD_LIBRARY:
        return root in sys.stdlib_module_names and not beside
    if allowed == PYTHON_36:
        return root in sys.stdlib_module_names - SINCE_36
    return bool(beside and str(beside.parent) == allowed) or within(name, allowed)


@pytest.mark.parametrize("place", ALLOWED)
def test_a_directory_imports_what_its_row_allows(place: str) -> None:
    files = [file for file in sources() if place_of(file) == place]
    assert files, f"the table has a row for {place}, which holds no Python file"
    refused = {
        f"{file} imports {name}"
        for file in files
        for name in imports_of(file)
        if not any(allows(file, allowed, name) for allowed in ALLOWED[place])
    }
    assert not refused


@pytest.mark.parametrize("place", ALLOWED)
def test_a_row_allows_nothing_that_its_directory_does_not_need(place: str) -> None:
    found = [(file, name) for file in sources() if place_of(file) == place for name in imports_of(file)]
    own = {place.replace("/", "."), place}
    unused = {
        allowed
        for allowed in ALLOWED[place] - own - {ANYTHING}
        if not any(allows(file, allowed, name) for file, name in found)
    }
    assert not unused


def test_every_python_file_has_a_row() -> None:
    assert [str(file) for file in sources() if not place_of(file)] == []


def test_the_documentation_shows_the_same_table() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (.+?) \|$", (PROJECT / "docs/architecture.md").read_text(), re.MULTILINE)
    shown = {place: frozenset(text.replace("`", "").split(", ")) for place, text in rows if place in ALLOWED}
    assert shown == ALLOWED


def components() -> list[Path]:
    """Return the modules of components/, without the package's own and the base class's."""
    found = [file for file in sources() if str(file.parent) == "components"]
    return [file for file in found if file.stem not in ("__init__", "base")]


@pytest.mark.parametrize("file", components(), ids=str)
def test_a_module_of_components_defines_a_component_on_the_base_class(file: Path) -> None:
    tree = ast.parse((PROJECT / file).read_text(), str(file))
    bases = [ast.unparse(base) for node in tree.body if isinstance(node, ast.ClassDef) for base in node.bases]
    assert "Component" in bases
    assert "components.base" in imports_of(file) or "components.base.Component" in imports_of(file)


def test_components_has_modules_only() -> None:
    """Else the test above would not see what is in a directory below."""
    assert [file for file in sources() if file.parts[0] == "components" and len(file.parts) != 2] == []
    assert components()


def graph() -> "nx.DiGraph[str]":
    """Return the project's files, each with an edge to every file that it imports."""
    edges: nx.DiGraph[str] = nx.DiGraph()
    for file in sources():
        for name in imports_of(file):
            found = sibling(file, name) or modules().get(name)
            if found:
                edges.add_edge(str(file), str(found))
    return edges


def program_folders() -> set[str]:
    """Return the top-level directories that the program imports."""
    return {Path(file).parts[0] for file in nx.descendants(graph(), "__main__.py")}


def test_projects_of_the_engine_s_tests_have_the_whole_program() -> None:
    names = {name for name in PROGRAM if (PROJECT / name).is_dir() and not name.startswith(".")}
    assert program_folders() == names


@pytest.mark.parametrize("name", ["preview", "deploy"])
def test_a_workflow_runs_after_a_change_of_the_program(name: str) -> None:
    text = (PROJECT / f".github/workflows/{name}.yml").read_text()
    assert {folder for folder in program_folders() if f'"{folder}/**"' not in text} == set()


def test_each_package_of_the_wheel_is_marked_as_typed_and_is_measured() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]
    packages = set(project["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert program_folders() <= packages
    assert {name for name in packages if not [*(PROJECT / name).rglob("py.typed")]} == set()
    assert packages <= set(project["coverage"]["run"]["source"])
    assert packages <= set(project["mypy"]["files"])


def test_no_modules_import_each_other() -> None:
    assert [sorted(group) for group in nx.strongly_connected_components(graph()) if len(group) > 1] == []


def test_the_graph_sees_imports_of_all_kinds() -> None:
    """A module-level import, one of a package's attribute, one in a function, and one of a neighbour by bare name."""
    edges = set(graph().edges)
    assert ("__main__.py", "rack/plan.py") in edges
    assert ("__main__.py", "components/__init__.py") in edges
    assert ("rack/wallaby/inside/containers.py", "rack/wallaby/inside/request.py") in edges
