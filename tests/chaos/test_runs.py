"""Runs are disturbed at the event that was asked for, and with everything that they started."""

import os
import stat
from pathlib import Path

import pytest

from harness.runs import At, Ended, Operation, Project, Run, members
from lab.process import until
from tests.chaos import cases, outages
from tests.chaos.rack import DisturbedError

ENGINE = """\
#!/bin/sh
[ "$1" = --non-interactive ] && shift 3
[ "$1" = up ] || exit 0
for word; do log=$word; done
[ -z "$TRAP" ] || trap 'echo "cancelling"; n=$((n + 1)); [ $n = 1 ] || { kill $!; exit 130; }' INT
sleep 1000 &
echo "children: $!"
event() {
  printf '{"%s": {"metadata": {"op": "%s", "urn": "urn:pulumi:dev::rack::%s::%s", "type": "%s"}}}\\n' "$@" >> "$log"
}
event resourcePreEvent same rack:index:Old old rack:index:Old
for name in one two; do
  event resourcePreEvent create t:index:T $name t:index:T
  echo "creates $name"
  [ "$HOLD" != $name ] || { wait; wait; }
  event resOutputsEvent create t:index:T $name t:index:T
  [ -z "$STATE" ] || { while n=$((n + 1)); echo saved > "$STATE/checkpoint-$n"; do sleep 0.1; done; kill $!; exit 255; }
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
    monkeypatch.setattr("harness.runs.environment", dict)
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
    monkeypatch.setattr("harness.runs.DRAIN", 0.2)
    assert cases.kill_engine(lambda at: project.up(at=at), operation("pre", "one")) == ["sleep 1000 "]


def test_a_run_that_hangs_is_killed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.env["HOLD"] = "one"
    monkeypatch.setattr("harness.runs.LIMIT", 0.5)
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


def test_ctrl_c_is_pressed_again_when_the_engine_has_confirmed_it(project: Project) -> None:
    project.env |= {"HOLD": "one", "TRAP": "yes"}

    def at(seen: Operation, run: Run) -> None:
        if seen == operation("pre", "one"):
            cases.interrupt(run, times=2)

    ended = project.up(at=at)
    assert ended.status == 130
    assert ended.output.count("cancelling") == 2


@pytest.mark.lab  # mounts a file system
def test_the_disk_of_the_state_is_full_until_the_run_ends(project: Project) -> None:
    project.env["STATE"] = str(project.backend)
    (project.backend / "kept").write_text("kept")
    ended = cases.full_disk(project, lambda at: project.up(at=at), operation("pre", "one"))
    assert ended.status == 255
    assert "No space left" in ended.output or "I/O error" in ended.output
    assert {file.name for file in project.backend.iterdir()} > {"kept", "checkpoint-1"}
    assert not (project.backend / "ballast").exists()


class Service:
    """Stands for a rack whose `up` fails while a service is down."""

    def __init__(self) -> None:
        self.on, self.switched, self.done = True, list[bool](), set[str]()
        self.project, self.arguments = self, ()

    def switch(self, on: bool) -> None:
        self.on = on
        self.switched.append(on)

    def pending(self) -> list[str]:
        return []

    def check(self) -> None:
        assert self.on

    def up(self, at: At) -> Ended:
        for name in ("one", "two", "three"):
            if name not in self.done:
                at(operation("pre", name), self)  # type: ignore[arg-type]
                if not self.on:
                    self.done.add(name)  # the failed one is not retried here: the next run continues after it
                    return Ended(1, "down", [])
                self.done.add(name)
        return Ended(0, "", [])


def test_a_service_is_down_in_each_layer_and_back_for_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    rack = Service()
    monkeypatch.setattr(outages, "SERVICES", {"it": rack.switch})
    lines = list(outages.stopped(rack, "it", ("one", "three")))  # type: ignore[arg-type]
    assert lines == ["failed at one", "failed at three", "succeeded"]
    assert rack.switched == [False, True, False, True]


def test_a_layer_that_was_not_met_during_an_outage_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    rack = Service()
    monkeypatch.setattr(outages, "SERVICES", {"it": rack.switch})
    with pytest.raises(DisturbedError, match="it was not stopped in the layers of four"):
        list(outages.stopped(rack, "it", ("one", "four")))  # type: ignore[arg-type]
    assert rack.on


class Patient(Service):
    """Stands for a rack whose `up` waits while a service is down."""

    reports = True

    def __init__(self) -> None:
        super().__init__()
        self.output, self.process = "", self

    def up(self, at: At) -> Ended:
        for name in ("one", "two"):
            at(operation("pre", name), self)  # type: ignore[arg-type]
            assert until(lambda: not self.on or not self.reports, 10)
            if self.reports:
                self.output += "one: it does not answer (Connection refused); waiting, at most 300 s\n"
            assert until(lambda: self.on, 10)
            self.done.add(name)
        return Ended(0, "", [])


def test_a_service_is_back_when_the_run_has_reported_its_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    rack = Patient()
    monkeypatch.setattr(outages, "SERVICES", {"it": rack.switch})
    outages.survived(rack, {"one": "it", "two": "it"}, seconds=0)  # type: ignore[arg-type]
    assert rack.switched == [False, True, False, True]
    assert rack.done == {"one", "two"}


def test_an_outage_that_the_run_does_not_report_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    rack = Patient()
    rack.reports = False
    monkeypatch.setattr(outages, "SERVICES", {"it": rack.switch})
    monkeypatch.setattr(outages, "NOTICED", 0.1)
    with pytest.raises(DisturbedError, match="the run did not report the outage of it"):
        outages.survived(rack, {"one": "it"}, seconds=0)  # type: ignore[arg-type]
    assert rack.on


def test_an_outage_that_does_not_begin_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    rack = Patient()
    rack.reports = False
    monkeypatch.setattr(outages, "SERVICES", {"it": rack.switch})
    with pytest.raises(DisturbedError, match="it was not stopped: its resource was not created"):
        outages.survived(rack, {"three": "it"}, seconds=0)  # type: ignore[arg-type]
