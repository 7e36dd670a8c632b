"""The installation of the Wallaby tools: what is run, when, and the error of a step that fails."""

import sys
from collections.abc import Sequence
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from rack.wallaby import tools
from rack.wallaby.tools import LOCK, ToolsError
from tests.rack.sites import ROOT


class Recorded:
    """Replaces the commands: records them, and creates the files that they would create."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []

    def __call__(self, command: Sequence[str]) -> None:
        words = list(command)
        self.commands.append(words)
        if "download" in words:
            folder = Path(words[words.index("-d") + 1])
            folder.mkdir()
            (folder / f"{tools.TEMPLATES_PACKAGE}-{tools.TEMPLATES_VERSION}.tar.gz").touch()
        if words[0] == "tar":
            unpacked = Path(words[-1]) / f"{tools.TEMPLATES_PACKAGE}-{tools.TEMPLATES_VERSION}"
            unpacked.mkdir()
            (unpacked / "overcloud.j2.yaml").touch()

    def named(self, word: str) -> list[list[str]]:
        return [words for words in self.commands if word in words]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    recorded = Recorded()
    monkeypatch.setattr(tools, "_run", recorded)
    monkeypatch.setattr(tools, "_uv", lambda: "uv")
    return recorded


def test_packages_are_locked_and_the_templates_pinned(run: Recorded, tmp_path: Path) -> None:
    log: list[str] = []
    installed = tools.install(tmp_path / "new" / "folder", log.append)
    folder = (tmp_path / "new" / "folder").resolve()
    assert installed.python == folder / "venv/bin/python"
    assert installed.templates == folder / "tripleo-heat-templates-14.3.0"
    assert (installed.templates / "overcloud.j2.yaml").is_file()
    (packages,) = (words for words in run.named("install") if words[0] == "uv")
    assert packages[-2:] == ["-r", str(LOCK)]
    assert "--require-hashes" in packages
    assert "--no-deps" in packages
    (download,) = run.named("download")
    assert "--require-hashes" in download
    assert [line.split(":")[0] for line in log] == ["wallaby", "wallaby"]
    assert [path.name for path in folder.iterdir()].count("venv") == 0, "uv makes it"


def test_a_second_installation_runs_nothing(run: Recorded, tmp_path: Path) -> None:
    tools.install(tmp_path, print)
    run.commands.clear()
    log: list[str] = []
    tools.install(tmp_path, log.append)
    assert (run.commands, log) == ([], [])


def test_another_lock_installs_again(run: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools.install(tmp_path, print)
    run.commands.clear()
    (lock := tmp_path / "other.lock").write_text("other")
    monkeypatch.setattr(tools, "LOCK", lock)
    tools.install(tmp_path, print)
    assert run.named("--clear")
    assert not run.named("download")


def test_an_installation_that_fails_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "_uv", lambda: "false")
    (tmp_path / "installed").write_text("an earlier one")
    with pytest.raises(ToolsError, match=r"^false venv -q --clear …: exit 1\n"):
        tools.install(tmp_path, print)
    assert not (tmp_path / "installed").exists()


def test_a_missing_command_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "_uv", lambda: "/nowhere/uv")
    with pytest.raises(ToolsError, match="/nowhere/uv: No such file or directory"):
        tools.install(tmp_path, print)


def test_the_end_of_a_commands_error_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "uv"
    script.write_text('#!/bin/sh\nprintf "%01000d last words" 0 >&2; exit 7\n')
    script.chmod(0o755)
    monkeypatch.setattr(tools, "_uv", lambda: str(script))
    with pytest.raises(ToolsError) as failed:
        tools.install(tmp_path, print)
    head, _, tail = str(failed.value).partition("\n")
    assert head == f"{script} venv -q --clear …: exit 7"
    assert len(tail) == 800
    assert tail.endswith("0 last words")


def test_uv_is_searched_in_the_folder_of_this_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    with pytest.raises(ToolsError, match=r"uv: not found beside this Python or on PATH; run `make \.venv/ready`"):
        tools._uv()
    for folder in (tmp_path, tmp_path / "bin"):
        folder.mkdir(exist_ok=True)
        (folder / "uv").touch(mode=0o755)
        assert tools._uv() == str(folder / "uv")


def test_templates_can_be_downloaded_without_the_tools(run: Recorded, tmp_path: Path) -> None:
    folder = tools.templates(tmp_path / "new" / "folder", print)
    assert (folder / "overcloud.j2.yaml").is_file()
    assert list(folder.parent.iterdir()) == [folder], "the scratch folder is gone"
    assert not run.named("--clear")


def test_tools_are_installed_in_this_checkout() -> None:
    assert tools.FOLDER == ROOT / ".tools" / "wallaby"


def test_installed_tools_cannot_be_changed(run: Recorded, tmp_path: Path) -> None:
    with pytest.raises(FrozenInstanceError):
        tools.install(tmp_path, print).python = tmp_path  # type: ignore[misc]
