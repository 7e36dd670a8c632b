"""The life cycle of a project on the engine: up, no-op, changes, failures, destroy; without a warning."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Project, Server

pytestmark = pytest.mark.engine

WORDS = """
from pulumi.dynamic import CreateResult, Resource, ResourceProvider


class Provider(ResourceProvider):
    serialize_as_secret_always = False

    def create(self, props):
        return CreateResult("word", {"word": props["word"]})

    def diff(self, id, olds, news):
        from pulumi.dynamic import DiffResult
        return DiffResult(changes=olds["word"] != news["word"])

    def update(self, id, olds, news):
        from pulumi.dynamic import UpdateResult
        return UpdateResult({"word": news["word"]})


class Word(Resource, module="proof", name="Word"):
    word: object

    def __init__(self, name, word):
        super().__init__(Provider(), name, {"word": word})
"""

MAIN = """
import json
from pathlib import Path

import pulumi
from pulumi_command import local, remote
from words import Word

spec = json.loads(Path("spec.json").read_text())
here = local.Command("here", create="tr a-z A-Z", stdin=spec["word"], delete=f"echo gone >> {spec['journal']}")
hidden = pulumi.ResourceOptions(additional_secret_outputs=["stdout", "stderr"] if spec.get("hidden", True) else None)
there = remote.Command(
    "there",
    connection=remote.ConnectionArgs(**spec["connection"]),
    stdin=pulumi.Output.secret(spec["secret"]),
    opts=hidden,
    **spec["there"],
)
Word("word", there.stderr)
pulumi.export("here", here.stdout)
pulumi.export("there", there.stdout)
"""


def step(journal: Path, name: str) -> str:
    """Return a command that logs its name, the server's port and its stdin, and prints its name and previous output."""
    return f'echo "{name} ${{SSH_CONNECTION##* }} $(cat)" >> {journal}; echo "{name} after [$PULUMI_COMMAND_STDOUT]"'


def spec_of(journal: Path, server: Server, **changes: Any) -> dict[str, Any]:
    there = {name: step(journal, name) for name in ("create", "update", "delete")}
    spec = {"word": "abc", "journal": str(journal), "secret": "hunter2", "connection": server.connection}
    return {**spec, "there": {**there, **changes.pop("there", {})}, **changes}


def test_life(project: Callable[..., Project], sshd: Callable[[], Server], tmp_path: Path) -> None:
    stack, first, second, journal = project(__main__=MAIN, words=WORDS), sshd(), sshd(), tmp_path / "journal"

    def noted() -> list[str]:
        lines = journal.read_text().splitlines() if journal.exists() else []
        journal.unlink(missing_ok=True)
        return lines

    spec = spec_of(journal, first)
    stack.up(spec)
    assert stack.outputs() == {"here": "ABC", "there": "create after []"}
    assert noted() == [f"create {first.port} hunter2"]

    stack.up(spec, "--expect-no-changes")
    assert noted() == []

    changed = {**spec, "secret": "hunter3"}
    preview = stack.preview(changed).text
    # stdout and stderr are unknown in a preview, so resources that depend on them change too; nothing ran.
    assert "~ 2 to update" in preview
    assert "3 unchanged" not in preview
    assert noted() == []
    stack.up(changed)
    assert stack.outputs()["there"] == "update after [create after []]"
    assert noted() == [f"update {first.port} hunter3"]

    without_update = {**changed, "there": {**spec["there"], "logging": "none"}}
    del without_update["there"]["update"]
    stack.up(without_update)
    assert noted() == [f"create {first.port} hunter3"]

    # The replacement is created over the new connection, the old resource is deleted over the old one.
    elsewhere = spec_of(journal, second, secret="hunter4", there={"triggers": ["moved"]})
    stack.up(elsewhere)
    assert noted() == [f"create {second.port} hunter4", f"delete {first.port} hunter3"]

    state = stack.state()
    for secret in ("hunter4", second.connection["private_key"].splitlines()[1], "create after []"):
        assert secret not in state
    assert "ABC" in state  # not secret, because none of its inputs is

    stack.run("destroy", "--yes", "--skip-preview")
    assert sorted(noted()) == [f"delete {second.port} hunter4", "gone"]


def test_secret_stdin_does_not_make_the_output_secret(
    project: Callable[..., Project], sshd: Callable[[], Server], tmp_path: Path
) -> None:
    """As with the released plugin: the program says so itself, by additionalSecretOutputs."""
    stack, server = project(__main__=MAIN, words=WORDS), sshd()
    stack.up(spec_of(tmp_path / "journal", server, hidden=False))
    state = stack.state()
    assert "create after []" in state
    assert "hunter2" not in state


def test_failure_names_the_reason(project: Callable[..., Project], sshd: Callable[[], Server], tmp_path: Path) -> None:
    stack, server = project(__main__=MAIN, words=WORDS), sshd()
    broken = spec_of(tmp_path / "journal", server, there={"create": "echo disk full >&2\nexit 3"})
    text = stack.up(broken, fails=True).text
    assert "Process exited with status 3" in text
    assert "disk full" in text
    assert "hunter2" not in text


def test_first_interrupt_waits_for_a_running_command(
    project: Callable[..., Project], sshd: Callable[[], Server], tmp_path: Path
) -> None:
    stack, server, started, go_on = project(__main__=MAIN, words=WORDS), sshd(), tmp_path / "started", tmp_path / "on"
    os.mkfifo(started)
    patient = f"echo > {started}; until [ -e {go_on} ]; do sleep 0.05; done"
    (stack.folder / "spec.json").write_text(
        json.dumps(spec_of(tmp_path / "journal", server, there={"create": patient}))
    )
    process = stack.start("up", "--yes", "--skip-preview")
    started.read_text()  # returns when the command runs
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    seen = ""
    while "ancel" not in seen:  # the engine says that it was interrupted
        line = process.stdout.readline()
        assert line, seen
        seen += line
    assert process.poll() is None
    go_on.touch()
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert "command:remote:Command::there" in stack.state()
