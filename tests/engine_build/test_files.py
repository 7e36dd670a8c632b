"""Files: a command's files become assets, and copies reach the host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Project, Server

pytestmark = pytest.mark.engine

MAIN = """
import json
from pathlib import Path

import pulumi
from pulumi_command import local, remote

spec = json.loads(Path("spec.json").read_text())
connection = remote.ConnectionArgs(**spec["connection"])
left = local.Command(
    "left", dir=spec["work"], create="mkdir -p sub; echo a > a.txt; echo b > sub/b.txt; echo c > sub/secret.txt",
    asset_paths=["**.txt", "!**secret*"], archive_paths=["sub/**"],
)
ran = local.run_output(command="cat; echo to-stderr >&2", stdin="now", environment={"A": "1"})
hidden = local.run_output(command="cat", stdin=pulumi.Output.secret("hunter2"), logging=local.Logging.NONE)
file = pulumi.FileAsset(spec["source"])
remote.CopyToRemote("file", connection=connection, source=file, remote_path=spec["target"] + "/file")
text = pulumi.StringAsset(spec["text"])
remote.CopyToRemote("text", connection=connection, source=text, remote_path=spec["target"] + "/text")
folder = pulumi.FileArchive(spec["work"])
after = pulumi.ResourceOptions(depends_on=left)
remote.CopyToRemote("folder", connection=connection, source=folder, remote_path=spec["target"], opts=after)
texts = left.assets.apply(lambda assets: {name: Path(asset.path).read_text() for name, asset in assets.items()})
pulumi.export("assets", texts)
pulumi.export("archive", left.archive.apply(lambda archive: sorted(archive.assets)))
pulumi.export("ran", [ran.stdout, ran.stderr])
pulumi.export("hidden", hidden.stdout)
"""


def test_files(project: Callable[..., Project], sshd: Callable[[], Server], tmp_path: Path) -> None:
    work, target, source = tmp_path / "work", tmp_path / "target", tmp_path / "source"
    work.mkdir()
    target.mkdir()
    source.write_text("one")
    connection = sshd().connection
    spec = {"connection": connection, "work": str(work), "target": str(target), "source": str(source), "text": "T"}
    stack = project(__main__=MAIN)
    text = stack.up(spec).text
    assert "hunter2" not in text
    assert stack.outputs() == {
        "assets": {"a.txt": "a\n", "sub/b.txt": "b\n"},
        "archive": ["sub/b.txt", "sub/secret.txt"],
        "ran": ["now", "to-stderr"],
        "hidden": "hunter2",
    }
    assert "hunter2" not in stack.state()
    assert (target / "file").read_text() == "one"
    assert (target / "text").read_text() == "T"
    assert (target / "work/sub/b.txt").read_text() == "b\n"

    stack.up(spec, "--expect-no-changes")
    source.write_text("two")
    (target / "text").write_text("changed on the host")
    stack.up(spec)
    assert (target / "file").read_text() == "two"
    assert (target / "text").read_text() == "changed on the host"  # unchanged locally, so not copied again
