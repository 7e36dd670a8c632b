"""Shipped programs: each is one file that CentOS Stream 8's Python 3.6 runs with its standard library alone."""

import ast
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from onhost import shipping
from onhost.undercloud.orders import encode
from tests.onhost.undercloud.test_orders import ORDERS

ONHOST = Path(shipping.__file__).parent
SOURCES = sorted(ONHOST.rglob("*.py"))
PROGRAMS = (
    "undercloud.nodes",
    "undercloud.wave",
    "undercloud.factory",
    "undercloud.job",
    "undercloud.templates",
    "undercloud.node",
    "probe",
    "drift.look",
)
VERMIN = "import vermin; vermin.main()"
NEWER = {"dataclasses", "contextvars", "graphlib", "tomllib", "zoneinfo", "importlib.resources", "importlib.metadata"}
"""Modules that the standard library got after 3.6."""


def python_3_6() -> str | None:
    """Return a Python 3.6 interpreter of this machine ($PYTHON36, on the PATH, or pyenv's), or None."""
    pyenv = sorted(Path.home().glob(".pyenv/versions/3.6.*/bin/python3.6"))
    for candidate in (os.environ.get("PYTHON36"), shutil.which("python3.6"), *map(str, pyenv)):
        if candidate and version(candidate).startswith("Python 3.6."):
            return candidate
    return None


def version(python: str) -> str:
    return subprocess.run([python, "--version"], capture_output=True, text=True, check=False).stdout


PYTHON_3_6 = python_3_6()
INTERPRETERS = [
    sys.executable,
    pytest.param(PYTHON_3_6, marks=pytest.mark.skipif(not PYTHON_3_6, reason="no Python 3.6 on this machine")),
]


@pytest.fixture(scope="module", params=PROGRAMS)
def text(request: pytest.FixtureRequest) -> str:
    return shipping.program(request.param)


# -- every source


@pytest.mark.parametrize("source", SOURCES, ids=[str(source.relative_to(ONHOST)) for source in SOURCES])
def test_sources_parse_with_the_python_3_6_grammar(source: Path) -> None:
    ast.parse(source.read_text(), feature_version=(3, 6))


def test_sources_use_no_library_call_newer_than_python_3_6() -> None:
    """vermin has a table of the Python version in which each module, function and argument appeared."""
    command = [sys.executable, "-c", VERMIN, "--target=3.6-", "--violations", "--no-tips", "--eval-annotations"]
    done = subprocess.run([*command, str(ONHOST)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_vermin_reports_a_newer_library_call(tmp_path: Path) -> None:
    (tmp_path / "newer.py").write_text("import subprocess\nsubprocess.run(['true'], capture_output=True)\n")
    command = [sys.executable, "-c", VERMIN, "--target=3.6-", "--violations", str(tmp_path)]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


@pytest.mark.parametrize("source", SOURCES, ids=[str(source.relative_to(ONHOST)) for source in SOURCES])
def test_sources_import_only_the_standard_library_and_names_of_onhost(source: Path) -> None:
    for module, names in imported(ast.parse(source.read_text())):
        top = module.partition(".")[0]
        assert top in sys.stdlib_module_names or module.startswith(shipping.PACKAGE), module
        assert module not in NEWER, module
        if module.startswith(shipping.PACKAGE):
            assert names, f"{module}: a shipped text contains no module objects; import names from it"


def imported(tree: ast.AST) -> Iterator[tuple[str, list[str]]]:
    """Yield each imported module and the names imported from it without `as`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level
            assert node.module
            yield node.module, [alias.name for alias in node.names if not alias.asname]


# -- every program


def test_every_module_belongs_to_a_program() -> None:
    shipped = {module for name in PROGRAMS for module in shipping.modules(f"onhost.{name}")}
    folders = ("undercloud", "drift")
    there = {f"onhost.{folder}.{path.stem}" for folder in folders for path in ONHOST.glob(f"{folder}/*.py")}
    assert shipped == there - {f"onhost.{folder}.__init__" for folder in folders} | {"onhost.probe", "onhost.questions"}


@pytest.mark.parametrize("name", PROGRAMS)
def test_modules_of_a_program_define_different_names(name: str) -> None:
    defined = Counter(
        name for source in shipping.modules(f"onhost.{name}").values() for name in set(definitions(ast.parse(source)))
    )
    assert [name for name, count in defined.items() if count > 1] == []


def definitions(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a module defines, without its imports."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name))


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_imported_name_has_one_origin_in_all_modules_of_a_program(name: str) -> None:
    origins: dict[str, set[str]] = {}
    for module, source in shipping.modules(f"onhost.{name}").items():
        for origin, names in imported(ast.parse(source)):
            for imported_name in names:
                origins.setdefault(imported_name, set()).add(origin)
        for defined in definitions(ast.parse(source)):
            origins.setdefault(defined, set()).add(module)
    assert {name: found for name, found in origins.items() if len(found) > 1} == {}


def test_a_shipped_text_is_one_module_with_the_program_s_docstring(text: str) -> None:
    tree = ast.parse(text, feature_version=(3, 6))
    docstring = ast.get_docstring(tree)
    assert docstring
    assert docstring.count("\n") > 3
    assert not any(module.startswith("onhost") for module, _ in imported(tree))
    assert text.count('if __name__ == "__main__":') == 1
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_a_program_is_assembled_once() -> None:
    """A rack asks for the text of one program once per node."""
    assert shipping.program("undercloud.nodes") is shipping.program("undercloud.nodes")


def test_a_shipped_text_has_imported_modules_before_their_importers() -> None:
    order = list(shipping.modules("onhost.undercloud.nodes"))
    for importer in order:
        source = shipping.modules(importer)[importer]
        for module in shipping.imports(source):
            assert order.index(module) < order.index(importer)


@pytest.mark.parametrize("name", ["undercloud.job", "undercloud.templates"])
def test_a_program_called_without_an_interpreter_has_a_shebang(name: str) -> None:
    assert shipping.program(name).startswith("#!/usr/bin/python3 -I\n")


def test_changing_a_module_changes_only_its_lines_of_the_text() -> None:
    """A preview shows the text as a diff of lines."""
    lines = shipping.program("undercloud.nodes").splitlines()
    for line in (ONHOST / "undercloud/gate.py").read_text().splitlines():
        assert line in lines or line.startswith("from onhost.")


@pytest.mark.parametrize("python", INTERPRETERS)
def test_a_shipped_text_defines_every_name_that_it_uses(text: str, python: str, tmp_path: Path) -> None:
    """The text is executed as a module, so `main` is not called."""
    (tmp_path / "shipped.py").write_text(text)
    script = f"import sys; sys.path.append({str(tmp_path)!r}); import shipped; assert callable(shipped.main)"
    done = subprocess.run([python, "-I", "-c", script], capture_output=True, text=True, cwd="/", check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("python", INTERPRETERS)
def test_the_shipped_job_runner_runs_a_job(python: str, tmp_path: Path) -> None:
    program = tmp_path / "rack-job"
    program.write_text(shipping.program("undercloud.job"))
    env = {"RACK_JOBS": str(tmp_path / "jobs"), "PATH": os.environ["PATH"]}

    def do(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [python, "-I", str(program), *words]
        return subprocess.run(command, input="given\n", env=env, capture_output=True, text=True, check=False)

    for _ in range(2):
        done = do("run", "x", "sh", "-c", "echo log >&2; cat")
        assert (done.returncode, done.stdout) == (0, "given\n"), done.stderr
    assert "x: run 1, succeeded" in do("status").stdout
    assert do("forget").returncode == 0


@pytest.mark.parametrize("python", INTERPRETERS)
@pytest.mark.parametrize("name", ["undercloud.nodes", "undercloud.wave", "undercloud.factory", "undercloud.templates"])
def test_a_program_decodes_orders_that_the_operator_s_side_encodes(python: str, name: str, tmp_path: Path) -> None:
    """The operator's side encodes with this Python version; the program decodes with Python 3.6."""
    (tmp_path / "shipped.py").write_text(shipping.program(name))
    decode = [f"print(shipped.{type(order).__name__}.decode({encode(order)!r}))" for order in ORDERS]
    script = "\n".join([f"import sys; sys.path.append({str(tmp_path)!r}); import shipped", *decode])
    done = subprocess.run([python, "-I", "-c", script], capture_output=True, text=True, cwd="/", check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [repr(order) for order in ORDERS]
