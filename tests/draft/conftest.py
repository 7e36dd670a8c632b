"""A folder of its own for each test, and UFM's fixtures."""

from pathlib import Path

import pytest

from tests.providers.conftest import ca, closed, served, ufm

__all__ = ["ca", "closed", "served", "ufm"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RACK_UFM_PASSWORD", raising=False)
    return tmp_path
