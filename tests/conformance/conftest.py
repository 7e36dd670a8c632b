"""The Wallaby tools, installed once in .tools/. If the installation fails, the tests fail with its error."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rack.__main__ import write_home
from rack.plan import Plan
from rack.site.load import load_stack_file
from rack.wallaby.checks import CheckRun, Workers
from rack.wallaby.tools import FOLDER, install
from tests.rack.sites import ROOT


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    with Workers(install(FOLDER, print)) as workers:
        yield workers


def stack(name: str) -> Plan:
    return Plan(load_stack_file(ROOT / f"Pulumi.{name}.yaml"), name, "the certificate of an authority\n")


@pytest.fixture(scope="session")
def reference(workers: Workers, tmp_path_factory: pytest.TempPathFactory) -> CheckRun:
    """The guide's rack, with its templates rendered. Tests must not change it."""
    folder = tmp_path_factory.mktemp("reference")
    plan = stack("reference")
    write_home(plan, folder / "home")
    run = CheckRun(workers, folder / "home", plan, folder)
    assert run.findings("rendering") == []
    return run


@pytest.fixture
def home(reference: CheckRun, tmp_path: Path) -> Path:
    """A copy of the reference's documents, for a test to edit."""
    shutil.copytree(reference.home, tmp_path / "home")
    return tmp_path / "home"
