"""A pytest plugin: coverage of the Python programs that a test starts, recorded under the test's name."""

import os
from pathlib import Path

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Let the children of a worker measure themselves: coverage's .pth file reads this variable in every Python.

    pytest itself sets PYTEST_CURRENT_TEST, which the configuration written here takes as the context.
    """
    if hasattr(config, "workerinput"):
        own = Path(config.rootpath, "baseline.rc")
        children = Path(config.rootpath, "children.rc")
        children.write_text(own.read_text() + "parallel = true\ncontext = ${PYTEST_CURRENT_TEST-}\n")
        os.environ["COVERAGE_PROCESS_START"] = str(children)
