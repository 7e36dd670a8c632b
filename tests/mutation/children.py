"""A pytest plugin: coverage of the Python programs that a test starts, recorded under the test's name."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAMS = ("rack-job",)
"""Names under which tests start shipped programs: each is one file of several modules, see `onhost.shipping`."""


def pytest_configure(config: pytest.Config) -> None:
    """Let the children of a worker measure themselves: coverage's .pth file reads this variable in every Python.

    pytest itself sets PYTEST_CURRENT_TEST, which the configuration written here takes as the context.
    """
    if hasattr(config, "workerinput"):
        own = Path(config.rootpath, "baseline.rc")
        children = Path(config.rootpath, "children.rc")
        included = ",".join(f"*/{name}" for name in ("onhost/*", "providers/*", "rack/*", *PROGRAMS))
        lines = own.read_text().splitlines()
        kept = [line for line in lines if not line.startswith("source")]
        more = [f"include = {included}", "parallel = true", "context = ${PYTEST_CURRENT_TEST-}"]
        children.write_text("\n".join([*kept, *more, ""]))
        os.environ["COVERAGE_PROCESS_START"] = str(children)


def lines_of(program: Path, folder: Path) -> Iterator[tuple[int, str, int]]:
    """Yield each line of a shipped program with the module that it comes from and its line there.

    Args:
        program: the file, in which `# -- NAME` begins the lines of a module.
        folder: where the modules are.
    """
    module, source, place = "", list[str](), 0
    for number, line in enumerate(program.read_text().splitlines(), 1):
        if line.startswith("# -- ") and (folder / f"{line[5:]}.py").exists():
            module, place = f"{line[5:]}.py", 0
            source = (folder / module).read_text().splitlines()
        elif line and module and line in source[place:]:
            place = source.index(line, place) + 1
            yield number, module, place
