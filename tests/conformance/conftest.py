"""The tools, brought once into .tools/; a failure to bring them fails the tests, and says why."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rack.__main__ import write
from rack.plan import Plan
from rack.site.load import load_stack_file
from rack.wallaby.checks import Review, Wallaby
from rack.wallaby.tools import FOLDER, install
from tests.rack.sites import ROOT


@pytest.fixture(scope="session")
def wallaby() -> Iterator[Wallaby]:
    with Wallaby(install(FOLDER, print)) as wallaby:
        yield wallaby


def stack(name: str) -> Plan:
    return Plan(load_stack_file(ROOT / f"Pulumi.{name}.yaml"), name)


@pytest.fixture(scope="session")
def reference(wallaby: Wallaby, tmp_path_factory: pytest.TempPathFactory) -> Review:
    """The guide's rack, with its templates rendered: never to be changed."""
    folder = tmp_path_factory.mktemp("reference")
    plan = stack("reference")
    write(plan, folder / "home")
    review = Review(wallaby, folder / "home", plan, folder)
    assert review.findings("rendering") == []
    return review


@pytest.fixture
def home(reference: Review, tmp_path: Path) -> Path:
    """A copy of the reference's documents, to be broken."""
    shutil.copytree(reference.bundle, tmp_path / "home")
    return tmp_path / "home"
