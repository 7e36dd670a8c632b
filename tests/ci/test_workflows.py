"""The workflows: their scripts exist, they use the locked release of Pulumi, and no text reaches a shell."""

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((PROJECT / ".github/workflows").glob("*.yml"))
GITLAB = PROJECT / ".gitlab-ci.yml"


def commands(value: Any) -> Iterator[str]:
    """Yield every shell command of a workflow."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "run" and isinstance(inner, str):
                yield inner
            else:
                yield from commands(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from commands(inner)


@pytest.mark.fast
@pytest.mark.parametrize("file", [*WORKFLOWS, GITLAB], ids=lambda file: file.name)
def test_scripts_and_modules_of_a_workflow_exist(file: Path) -> None:
    found = re.findall(r"\bci[/.][a-z]+(?:\.sh)?", file.read_text())
    named = {name for name in found if name.startswith(("ci/", "ci.comment"))} - {"ci/"}
    assert named
    for name in named:
        path = PROJECT / name if "/" in name else PROJECT / f"{name.replace('.', '/')}.py"
        assert path.is_file(), name
        assert "/" not in name or os.access(path, os.X_OK), f"{name} is not executable"


@pytest.mark.fast
def test_the_workflows_install_the_locked_release_of_pulumi() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    (locked,) = (text.partition("==")[2] for text in project["project"]["dependencies"] if text.startswith("pulumi=="))
    releases = [release for file in WORKFLOWS for release in re.findall(r"pulumi-version: (\S+)", file.read_text())]
    assert releases == [locked] * 3


@pytest.mark.fast
@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_no_text_of_a_pull_request_reaches_a_shell(file: Path) -> None:
    """GitHub puts expressions into the script as they are: only what the site itself writes may be there."""
    for command in commands(yaml.safe_load(file.read_text())):
        for expression in re.findall(r"\$\{\{\s*(.*?)\s*\}\}", command):
            assert expression in ("matrix.stack", "github.event.pull_request.base.sha"), expression


@pytest.mark.fast
def test_an_up_is_never_interrupted_by_the_next() -> None:
    deploy = yaml.safe_load((PROJECT / ".github/workflows/deploy.yml").read_text())
    drift = yaml.safe_load((PROJECT / ".github/workflows/drift.yml").read_text())
    assert deploy["concurrency"] == drift["concurrency"] == {"group": "deploy", "cancel-in-progress": False}
    gitlab = yaml.safe_load(GITLAB.read_text())
    assert gitlab["up"]["resource_group"] == gitlab["drift"]["resource_group"]
