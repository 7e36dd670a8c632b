from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.fabric.service import FabricService
from lab.fabric.tools import Diagnostics
from tests.lab.fabric.rig import silent, started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "fabric"


@pytest.fixture
def service(folder: Path) -> Iterator[FabricService]:
    """Run a fabric for one test."""
    service = started(folder)
    yield service
    service.stop(silent)


@pytest.fixture
def diagnostics(service: FabricService, folder: Path) -> Diagnostics:
    return Diagnostics(folder)
