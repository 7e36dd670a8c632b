"""The shell lines that put the site's repositories in place of all others."""

import subprocess
from pathlib import Path

from onhost import repositories


def shell(folder: Path, lines: tuple[str, ...], given: str = "") -> None:
    text = "\n".join(("set -eu", *lines)).replace(repositories.FOLDER, str(folder))
    subprocess.run(["sh", "-c", text], input=given, text=True, check=True)


def test_other_repository_files_are_moved_aside_and_restored(tmp_path: Path) -> None:
    for name in ("CentOS-Stream-BaseOS.repo", "epel.repo"):
        (tmp_path / name).write_text(name)
    for _ in range(2):
        shell(tmp_path, repositories.INSTALL, "[wallaby]\n")
        assert [p.name for p in tmp_path.glob("*.repo")] == ["rack.repo"]
        assert (tmp_path / "rack.repo").read_text() == "[wallaby]\n"
    for _ in range(2):
        shell(tmp_path, repositories.REMOVE)
        assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {
            name: name for name in ("CentOS-Stream-BaseOS.repo", "epel.repo")
        }
