from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.fabric.part import FabricPart
from lab.fabric.tools import Diagnostics
from tests.lab.fabric.rig import silent, started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "fabric"


@pytest.fixture
def part(folder: Path) -> Iterator[FabricPart]:
    """A running fabric of the test's own."""
    part = started(folder)
    yield part
    part.stop(silent)


@pytest.fixture
def diagnostics(part: FabricPart, folder: Path) -> Diagnostics:
    return Diagnostics(folder)
