"""The default file backend survives a killed engine (issue 11, C1), and what it accumulates is removed (C5)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import build

from .conftest import Project

HELLO = "import pulumi\npulumi.export('word', 'kept')\n"


@pytest.fixture
def default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the default backend, elsewhere."""
    monkeypatch.setattr(build, "STATE", tmp_path)
    return tmp_path


def url() -> str:
    """Return the backend that `make` uses."""
    return build.environment({"PATH": os.defpath})["PULUMI_BACKEND_URL"]


@pytest.mark.engine
def test_state_that_a_kill_made_unreadable_is_read_again(
    project: Callable[..., Project], default: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stack was created and selected by an earlier version, whose backend wrote sidecar files."""
    stack = project(__main__=HELLO)
    stack.run("up", "--yes", "--skip-preview")
    (sidecar,) = default.glob(".pulumi/stacks/**/dev.json.attrs")
    sidecar.write_text("")
    assert "failed to load checkpoint" in stack.run("stack", "output", fails=True).text
    monkeypatch.setattr(build, "HOME", Path(stack.env["PULUMI_HOME"]))
    stack.env["PULUMI_BACKEND_URL"] = url()
    assert stack.outputs() == {"word": "kept"}, "the stack is still selected"
    stack.run("up", "--yes", "--skip-preview", "--expect-no-changes")
    assert not list(default.rglob("*.attrs")), "no file is written that a kill could leave empty"


def test_a_url_from_an_earlier_shell_gets_the_option(default: Path) -> None:
    assert build.environment({"PULUMI_BACKEND_URL": default.as_uri()})["PULUMI_BACKEND_URL"] == url()
    assert build.environment({"PULUMI_BACKEND_URL": url()})["PULUMI_BACKEND_URL"] == url()
    elsewhere = f"{default.as_uri()}-elsewhere"
    assert build.environment({"PULUMI_BACKEND_URL": elsewhere})["PULUMI_BACKEND_URL"] == elsewhere


def make(folder: Path, name: str, age: int) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    os.utime(file, (1e9 - age, 1e9 - age))
    return file


def test_the_newest_backups_of_each_stack_are_kept(tmp_path: Path) -> None:
    for stack in ("dev", "test"):
        for age in range(build.BACKUPS + 5):
            make(tmp_path, f".pulumi/backups/rack/{stack}/{stack}.{age:03}.json", age)
    checkpoint = make(tmp_path, ".pulumi/stacks/rack/dev.json", 999)
    build.tidy(tmp_path)
    for stack in ("dev", "test"):
        left = sorted(file.name for file in tmp_path.glob(f".pulumi/backups/rack/{stack}/*"))
        assert left == [f"{stack}.{age:03}.json" for age in range(build.BACKUPS)]
    assert checkpoint.exists()


def test_temporary_files_stay_while_an_engine_may_write_them(tmp_path: Path) -> None:
    left = make(tmp_path, ".pulumi/stacks/rack/dev.json123.tmp", 0)
    lock = make(tmp_path, ".pulumi/locks/organization/rack/dev/1.json", 0)
    build.tidy(tmp_path)
    assert left.exists()
    lock.unlink()
    build.tidy(tmp_path)
    assert not left.exists()
