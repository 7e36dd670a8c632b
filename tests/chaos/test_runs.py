"""Runs are disturbed at the event that was asked for, and with everything that they started."""

import os
import stat
from pathlib import Path

import pytest

from lab.process import until
from tests.chaos import cases
from tests.chaos.runs import At, Ended, Operation, Project, Run, members

ENGINE = """\
#!/bin/sh
[ "$1" = --non-interactive ] && shift 3
[ "$1" = up ] || exit 0
for word; do log=$word; done
sleep 1000 &
echo "children: $!"
event() {
  printf '{"%s": {"metadata": {"op": "%s", "urn": "urn:pulumi:dev::rack::%s::%s", "type": "%s"}}}\\n' "$@" >> "$log"
}
event resourcePreEvent same rack:index:Old old rack:index:Old
for name in one two; do
  event resourcePreEvent create t:index:T $name t:index:T
  echo "creates $name"
  [ "$HOLD" != $name ] || wait
  event resOutputsEvent create t:index:T $name t:index:T
done
kill $!
"""
"""Stands for `pulumi`: writes the events of two creations, and has a child. The creation `$HOLD` does not end."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "pulumi").write_text(ENGINE)
    (programs / "pulumi").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr("tests.chaos.runs.environment", dict)
    return Project(tmp_path / "project", "config: {}\n")


def operation(phase: str, name: str) -> Operation:
    return Operation(phase, "create", name, "t:index:T")


def test_operations_that_change_something_are_seen_in_their_order(project: Project) -> None:
    ended = project.up()
    names = [(found.phase, found.name) for found in ended.operations]
    assert ended.status == 0
    assert names == [("pre", "one"), ("outputs", "one"), ("pre", "two"), ("outputs", "two")]
    assert "creates two" in ended.output
    assert b"rack:index:Old" in project.events


def test_a_kill_ends_the_engine_and_its_children(project: Project) -> None:
    project.env["HOLD"] = "two"
    sessions = list[int]()

    def at(seen: Operation, run: Run) -> None:
        if seen == operation("pre", "two"):
            sessions.append(run.process.pid)
            run.kill()

    assert project.up(at=at).status == -9
    assert until(lambda: not members(sessions[0]), 10)


def test_children_that_outlive_a_killed_engine_are_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.env["HOLD"] = "one"
    monkeypatch.setattr(cases, "PATIENCE", 0.2)
    monkeypatch.setattr("tests.chaos.runs.DRAIN", 0.2)
    assert cases.kill_engine(lambda at: project.up(at=at), operation("pre", "one")) == ["sleep 1000 "]


def test_a_run_that_hangs_is_killed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.env["HOLD"] = "one"
    monkeypatch.setattr("tests.chaos.runs.LIMIT", 0.5)
    assert project.up().status == -9


def test_a_chain_meets_every_operation_once() -> None:
    done, unlocked = set[str](), list[str]()

    class Victim:
        killed = False

        def kill(self) -> None:
            self.killed = True

    def command(at: At | None) -> Ended:
        assert at
        victim = Victim()
        for name in ("one", "two", "three"):
            if name not in done:
                at(operation("pre", name), victim)  # type: ignore[arg-type]
                if victim.killed:
                    return Ended(-9, "", [])
                done.add(name)
        return Ended(0, "", [])

    met = [str(found) for found in cases.chain(command, lambda: unlocked.append("x"), "pre")]
    assert met == ["pre create one", "pre create two", "pre create three"]
    assert len(unlocked) == 3
    assert done == {"one", "two", "three"}
