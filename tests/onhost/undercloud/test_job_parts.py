"""The parts of the job runner, called in this process, with state files written by the tests and a simulated clock."""

import hashlib
import io
import json
import os
import select
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from onhost.undercloud import job as program
from onhost.undercloud import job_follow, job_runs, job_start
from onhost.undercloud.common import Fault
from onhost.undercloud.job_runs import Job, Run, key_of
from tests.onhost.undercloud.clock import Clock

DEAD = 2**22 + 1
"""A pid that no process has: Linux's largest is 2**22."""


@pytest.fixture
def deploy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setattr(job_runs, "HOME", tmp_path / "jobs")
    monkeypatch.setattr(program, "HOME", tmp_path / "jobs")
    return Job(tmp_path / "jobs/deploy")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (job_runs, job_start, job_follow):
        given = SimpleNamespace(
            monotonic=clock.monotonic,
            sleep=clock.sleep,
            time=clock.monotonic,
            strftime=time.strftime,
            gmtime=time.gmtime,
        )
        monkeypatch.setattr(module, "time", given)
    return clock


def run_of(job: Job, number: int = 1, log: str = "", result: str = "", **state: Any) -> Run:
    run = Run(job.folder / str(number))
    run.folder.mkdir(parents=True)
    run.note(**{"key": key_of(["true"], b""), "command": ["true"], "at": 0, **state})
    run.log.write_text(log)
    run.result.write_text(result)
    return run


# -- processes


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that leads a session of its own."""
    with subprocess.Popen(["sleep", "infinity"], start_new_session=True) as child:
        yield child
        child.kill()


def uptime() -> float:
    return float(Path("/proc/uptime").read_text().split()[0])


def test_a_process_has_a_session_and_a_start_in_ticks_since_boot() -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    before = uptime()
    with subprocess.Popen(["sleep", "infinity"], start_new_session=True) as child:
        session, begun = job_runs.process(child.pid)
        child.kill()
    assert session == child.pid
    assert before * ticks - 2 <= begun <= uptime() * ticks + 2


def test_a_process_that_has_ended_has_neither() -> None:
    with subprocess.Popen(["true"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert job_runs.process(child.pid) == (-1, -1), "a zombie"
    assert job_runs.process(DEAD) == (-1, -1)


def test_the_processes_of_a_run_are_those_of_its_session(deploy: Job, sleeper: "subprocess.Popen[bytes]") -> None:
    _, begun = job_runs.process(sleeper.pid)
    known: dict[str, Any] = {"boot": job_runs.boot(), "session": sleeper.pid, "begun": begun}
    assert run_of(deploy, 1, **known).processes() == [sleeper.pid]
    assert run_of(deploy, 2, **{**known, "boot": "earlier"}).processes() == [], "before a reboot"
    assert run_of(deploy, 3, **{**known, "begun": begun - 1}).processes() == [], "the number was used again"
    assert run_of(deploy, 4).processes() == [], "its supervisor has not started"


# -- runs and locks


def test_runs_are_in_the_order_of_their_numbers(deploy: Job) -> None:
    for number in (10, 9, 1):
        run_of(deploy, number)
    (deploy.folder / "11").mkdir()
    assert [run.folder.name for run in deploy.runs] == ["1", "9", "10"], "11 has no state yet"
    assert deploy.latest
    assert deploy.latest.folder.name == "10"


def test_notes_add_to_the_state(deploy: Job) -> None:
    run = run_of(deploy)
    run.note(status=0)
    assert run.state == {"key": key_of(["true"], b""), "command": ["true"], "at": 0, "status": 0}
    assert not [file for file in run.folder.iterdir() if "new" in file.name]


def test_a_job_is_running_while_the_lock_is_held(deploy: Job) -> None:
    assert not deploy.running
    with deploy.locked("running"):
        assert deploy.running
        with deploy.locked():
            assert deploy.running
    assert not deploy.running


def test_a_run_is_over_once_it_has_ended_or_another_has_begun(deploy: Job) -> None:
    run = run_of(deploy)
    assert deploy.over(run), "its supervisor was killed"
    with deploy.locked("running"):
        assert not deploy.over(run)
        run.note(status=0)
        assert deploy.over(run)
        later = run_of(deploy, 2)
        assert not deploy.over(later)
        assert deploy.over(run_of(Job(deploy.folder), 0))


def test_folders_belong_to_root_alone_also_those_of_earlier_versions(deploy: Job) -> None:
    deploy.folder.parent.mkdir(mode=0o755)
    with deploy.locked():
        modes = [stat.S_IMODE(folder.stat().st_mode) for folder in (deploy.folder.parent, deploy.folder)]
        assert modes == [0o700, 0o700]


def test_a_lock_is_taken_again_where_its_file_was_removed_meanwhile(
    deploy: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    same, mkdir = iter([False, True]), Path.mkdir
    missed: list[Path] = []

    def late(folder: Path, *args: Any, **kwargs: Any) -> None:
        """Leave the folder away once, like a `forget` that removes it at once."""
        if folder == deploy.folder and not missed:
            missed.append(folder)
        else:
            mkdir(folder, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", late)
    monkeypatch.setattr(job_runs, "_same", lambda *_: next(same))
    with deploy.locked():
        assert missed == [deploy.folder]
        assert next(same, None) is None, "asked twice"


def test_a_replaced_file_is_another_one(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("a") as lock:
        assert job_runs._same(lock, path)
        path.rename(tmp_path / "old")
        assert not job_runs._same(lock, path)
        path.touch()
        assert not job_runs._same(lock, path)


def test_jobs_are_the_named_ones_or_all(deploy: Job) -> None:
    assert job_runs.jobs([]) == []
    for name in ("b", "a"):
        run_of(Job(deploy.folder.with_name(name)))
    assert [job.name for job in job_runs.jobs([])] == ["a", "b"]
    assert [job.name for job in job_runs.jobs(["c"])] == ["c"]


# -- an operator's commands


def test_the_status_is_a_line_per_job(deploy: Job) -> None:
    assert deploy.status() == "deploy: no run"
    run = run_of(deploy, 7)
    tail = f", started 1970-01-01 00:00:00 UTC; log: {run.log}"
    assert deploy.status() == f"deploy: run 7, interrupted{tail}"
    with deploy.locked("running"):
        assert deploy.status() == f"deploy: run 7, running{tail}"
    run.note(status=0, ended=60)
    assert deploy.status() == f"deploy: run 7, succeeded 1970-01-01 00:01:00 UTC{tail}"
    run.note(status=3)
    assert deploy.status() == f"deploy: run 7, failed with status 3 1970-01-01 00:01:00 UTC{tail}"


class Signals:
    """Records signals; the processes of every run are those of `alive`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *alive: int) -> None:
        self.alive, self.sent = list(alive), list[tuple[int, int]]()
        self.ends: Callable[[int, int], bool] = lambda pid, number: True
        monkeypatch.setattr(os, "kill", self.kill)
        monkeypatch.setattr(Run, "processes", lambda run: list(self.alive))

    def kill(self, pid: int, number: int) -> None:
        self.sent.append((pid, number))
        if pid not in self.alive:
            raise ProcessLookupError
        if self.ends(pid, number):
            self.alive.remove(pid)


def test_stop_leaves_the_supervisor_to_note_the_status(
    deploy: Job, clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_of(deploy, session=5)
    signals = Signals(monkeypatch, 8, 6, 5)  # a script and the command that it waits for, and the supervisor
    signals.ends = lambda pid, number: number == signal.SIGKILL
    with deploy.locked("running"):
        deploy.stop()
    assert signals.sent == [(pid, number) for number in (signal.SIGTERM, signal.SIGKILL) for pid in (6, 8)]
    assert 2 * job_runs.STOP_SECONDS <= clock.now <= 2 * job_runs.STOP_SECONDS + 4, "the supervisor does not end here"
    assert capsys.readouterr().err.startswith("deploy: run 1, running")


def test_stop_ends_what_a_killed_supervisor_left(deploy: Job, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    run_of(deploy, session=5)
    signals = Signals(monkeypatch, 5, 6)
    deploy.stop()
    assert sorted(signals.sent) == [(5, signal.SIGTERM), (6, signal.SIGTERM)]
    assert clock.now == 0, "all have ended, so nothing waits"


def test_stop_does_nothing_to_a_run_that_has_ended(
    deploy: Job, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy.stop()
    run_of(deploy, session=5, status=0, ended=0)
    signals = Signals(monkeypatch, 5)
    deploy.stop()
    assert signals.sent == []
    assert [line.partition(",")[0] for line in capsys.readouterr().err.splitlines()] == [
        "deploy: no run", "deploy: run 1",
    ]  # fmt: skip


def test_forget_is_refused_while_anything_of_the_run_lives(deploy: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(deploy, session=5)
    signals = Signals(monkeypatch, 6)
    with pytest.raises(Fault, match="deploy is running\nWait until it ends, then pulumi up; or stop it: "):
        deploy.forget()
    signals.alive.clear()
    with deploy.locked("running"), pytest.raises(Fault, match="deploy is running"):
        deploy.forget()
    signals.alive.append(6)
    run.note(status=0)
    deploy.forget()
    assert not deploy.folder.parent.exists()


def test_forget_keeps_other_jobs(deploy: Job) -> None:
    other = run_of(Job(deploy.folder.with_name("other")))
    run_of(deploy)
    deploy.forget()
    assert not deploy.folder.exists()
    assert other.state


# -- join


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would be started and passed on."""
    calls: list[Any] = []
    monkeypatch.setattr(job_start, "_supervise", lambda job, run: calls.append(run.folder.name))
    monkeypatch.setattr(job_start, "_hand_over", lambda job, run, given: calls.append((run.folder.name, given)))
    return calls


def test_a_new_run_gets_the_next_number_and_the_newest_five_stay(
    deploy: Job, clock: Clock, started: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    clock.now = 7.0
    for number in range(1, 8):
        run = job_start.join(deploy, ["true", str(number)], b"in")
        assert run.folder.name == str(number)
        assert run.state == {"key": key_of(["true", str(number)], b"in"), "command": ["true", str(number)], "at": 7.0}
        assert stat.S_IMODE(run.folder.stat().st_mode) == 0o700
        assert stat.S_ISFIFO(run.input.stat().st_mode)
        assert stat.S_IMODE(run.input.stat().st_mode) == 0o600
        assert started == [str(number), (str(number), b"in")]
        started.clear()
        run.note(status=1)
    assert [run.folder.name for run in deploy.runs] == ["3", "4", "5", "6", "7"]
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"deploy: started; it continues when pulumi or this connection ends; log: {deploy.folder}/7/log"
    )


def test_the_same_job_is_done_only_where_it_has_succeeded(
    deploy: Job, started: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(deploy, status=0, ended=60)
    assert job_start.join(deploy, ["true"], b"").folder == run.folder
    assert capsys.readouterr().err == (
        f"deploy: done 1970-01-01 00:01:00 UTC, and its inputs are unchanged; log: {run.log}\n"
    )
    assert started == []
    assert job_start.join(deploy, ["true"], b"other").folder.name == "2"
    run_of(deploy, 3, status=1, ended=60)
    assert job_start.join(deploy, ["true"], b"").folder.name == "4"
    assert "interrupted" not in capsys.readouterr().err


def test_a_run_under_way_is_joined_and_gets_an_input_that_it_lacks(
    deploy: Job, started: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(deploy)
    with deploy.locked("running"):
        assert job_start.join(deploy, ["true"], b"").folder == run.folder
        assert started == []
        run.input.touch()
        assert job_start.join(deploy, ["true"], b"").folder == run.folder
    assert started == [("1", b"")]
    joined = f"deploy: joined; under way since 1970-01-01 00:00:00 UTC; log: {run.log}"
    assert capsys.readouterr().err.splitlines() == [joined, joined]


def test_other_inputs_are_refused_with_what_to_do(deploy: Job, started: list[Any]) -> None:
    run = run_of(deploy)
    with deploy.locked("running"), pytest.raises(Fault) as refused:
        job_start.join(deploy, ["false"], b"")
    assert str(refused.value) == (
        "deploy: another run has been under way since 1970-01-01 00:00:00 UTC, with other inputs; "
        f"log: {run.log}\nWait until it ends, then pulumi up; or stop it: {job_runs.PROGRAM} stop deploy"
    )


def test_a_supervisor_that_has_noted_the_end_is_not_joined(deploy: Job, started: list[Any]) -> None:
    run_of(deploy, status=1, ended=0)
    with deploy.locked("running"):
        assert job_start.join(deploy, ["true"], b"").folder.name == "2"


def test_a_new_run_waits_for_the_processes_of_a_killed_supervisor(
    deploy: Job, clock: Clock, started: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(deploy)
    monkeypatch.setattr(Run, "processes", lambda _: [6, 7] if clock.now < 3 else [])
    assert job_start.join(deploy, ["true"], b"").folder.name == "2"
    assert clock.now == 3
    assert capsys.readouterr().err.splitlines()[:2] == [
        "deploy: the supervisor of its last run was killed; waiting for its processes: [6, 7]",
        f"deploy: its last run was interrupted, by a reboot or a kill; log: {run.log}",
    ]
    monkeypatch.setattr(Run, "processes", lambda _: [])
    assert job_start.join(deploy, ["true"], b"").folder.name == "3"
    assert "was killed" not in capsys.readouterr().err, "a reboot leaves no processes"


def test_the_name_of_the_input_is_removed_before_anything_is_written(
    deploy: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(deploy)
    written: list[tuple[bool, bytes]] = []

    class Pipe(io.BytesIO):
        def write(self, given: Any) -> int:
            written.append((run.input.exists(), given))
            return len(given)

    run.input.touch()
    monkeypatch.setattr(Path, "open", lambda path, mode: Pipe() if (path, mode) == (run.input, "wb") else None)
    job_start._hand_over(deploy, run, b"in")
    assert written == [(False, b"in")]


def test_a_time_limit_raises_its_text_and_leaves_no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    alarms: list[int] = []
    monkeypatch.setattr(signal, "alarm", alarms.append)
    before = signal.getsignal(signal.SIGALRM)
    try:
        with pytest.raises(Fault, match=r"\Aover\Z"), job_start._limited("over"):
            signal.raise_signal(signal.SIGALRM)
        with job_start._limited("over"):
            pass
    finally:
        signal.signal(signal.SIGALRM, before)
    assert alarms == [job_start.START_SECONDS, 0] * 2


@pytest.mark.parametrize(("systemd", "user"), [(False, 0), (True, 1000)])
def test_a_supervisor_is_a_session_of_its_own_without_systemd_or_root(
    deploy: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, systemd: bool, user: int
) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(job_start, "_detach", calls.append)
    monkeypatch.setattr(job_start, "SYSTEMD", tmp_path if systemd else tmp_path / "absent")
    monkeypatch.setattr(job_start, "PROGRAM", tmp_path / "rack-job")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    run = run_of(deploy)
    job_start._supervise(deploy, run)
    assert calls == [[sys.executable, "-I", str(tmp_path / "rack-job"), "supervise", str(run.folder)]]


# -- follow


def test_a_result_goes_to_standard_output_alone(deploy: Job, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    run = run_of(deploy, log="said\n", result="result", status=0)
    assert job_follow.follow(deploy, run) == 0
    sys.stdout.flush()
    assert capfdbinary.readouterr() == (b"result", b"")


def test_a_log_is_shown_until_the_run_is_over_with_its_last_line(
    deploy: Job, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    run = run_of(deploy, log="one\n", result="result")
    texts = ["one\ntwo\nthr", "one\ntwo\nthree"]

    def wait() -> None:
        run.log.write_text(texts.pop(0))
        if not texts:
            run.note(status=0)

    monkeypatch.setattr(job_follow, "_wait", wait)
    with deploy.locked("running"):
        assert job_follow.follow(deploy, run) == 0
    sys.stdout.flush()
    assert capfdbinary.readouterr() == (b"result", b"one\ntwo\nthree\n")


@pytest.mark.parametrize(
    ("state", "status", "how"),
    [
        ({"status": 3, "ended": 90}, 3, "failed with status 3 after 90 s"),
        ({}, 1, "was interrupted: its supervisor was killed after 10 min"),
    ],
)
def test_a_failure_is_explained(
    deploy: Job, clock: Clock, capsys: pytest.CaptureFixture[str], state: dict[str, Any], status: int, how: str
) -> None:
    clock.now = 600
    run = run_of(deploy, log="reason\n", **state)
    assert job_follow.follow(deploy, run) == status
    assert capsys.readouterr().err.splitlines() == [
        "reason",
        f"deploy {how}:",
        "  reason",
        f"The whole log, on {os.uname().nodename}: {run.log}",
        "To resume: fix the cause, then pulumi up; deploy runs again and continues from what is done",
    ]


def test_the_reason_is_searched_at_the_end_of_the_log_or_else_in_the_result(
    deploy: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert job_follow.last_lines(run_of(deploy, 1, log="\n", result="out\n")) == ["out"]
    assert job_follow.last_lines(run_of(deploy, 2)) == ["it printed nothing"]
    monkeypatch.setattr(job_follow, "READ_BYTES", 6)
    assert job_follow.last_lines(run_of(deploy, 3, log="first\nsecond\nthird\n", result="out\n")) == ["third"]


class Poll:
    """Records what is polled; `ready` is the answer."""

    def __init__(self, ready: list[tuple[int, int]]) -> None:
        self.ready, self.calls = ready, list[Any]()

    def register(self, *arguments: int) -> None:
        self.calls.append(arguments)

    def poll(self, milliseconds: float) -> list[tuple[int, int]]:
        self.calls.append(milliseconds)
        return self.ready


def test_a_follower_waits_a_moment_or_until_nothing_reads_its_output(monkeypatch: pytest.MonkeyPatch) -> None:
    poll = Poll([])
    monkeypatch.setattr(select, "poll", lambda: poll)
    job_follow._wait()
    assert poll.calls == [(1, 0), (2, 0), 200], "milliseconds"
    poll.ready = [(2, select.POLLERR)]
    with pytest.raises(BrokenPipeError):
        job_follow._wait()


def test_a_long_log_is_thinned_out_after_its_first_lines(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(job_follow, "SHOWN_FIRST", 2)
    shown = job_follow.ShownLog()
    for after, text in ((0, b"1\n2\n3\n"), (10, b"4\n"), (1, b"5\n6\n"), (9.5, b"7\n"), (1, b"8\n\n")):
        clock.now += after
        shown.more(text)
    shown.end()
    assert capsys.readouterr().err.split() == ["1", "2", "5", "8"], "at most one per ten seconds, and never a blank"


# -- the supervisor


class Supervisor:
    """What a supervisor does to its process: its alarms and its session."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.alarms, self.sessions = list[int](), 0
        monkeypatch.setattr(signal, "alarm", self.alarms.append)
        monkeypatch.setattr(os, "setsid", self.setsid)
        self.leader(monkeypatch, False)

    def leader(self, monkeypatch: pytest.MonkeyPatch, leads: bool) -> None:
        monkeypatch.setattr(os, "getsid", lambda _: os.getpid() if leads else 1)

    def setsid(self) -> None:
        self.sessions += 1


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    error, handler = os.dup(2), signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(program, "DEFAULTS", Path("/nonexistent"))
    yield Supervisor(monkeypatch)
    os.dup2(error, 2)
    os.close(error)
    signal.signal(signal.SIGTERM, handler)


def given_run(job: Job, script: str, given: bytes = b"in\n", number: int = 1) -> Run:
    command = ["sh", "-c", script]
    run = run_of(job, number, command=command, key=key_of(command, given))
    run.input.write_bytes(given)
    return run


def test_a_supervisor_runs_the_command_and_notes_its_end(deploy: Job, supervisor: Supervisor) -> None:
    run = given_run(deploy, "cat; pwd; echo said >&2; exit 3")
    assert program.supervise(run.folder) == 0
    state = run.state
    assert (state["status"], state["boot"]) == (3, job_runs.boot())
    assert (state["session"], state["begun"]) == (os.getpid(), job_runs.process(os.getpid())[1])
    assert abs(state["ended"] - time.time()) < 1000
    assert run.result.read_text() == "in\n/\n"
    assert run.log.read_text() == "said\n"
    assert supervisor.alarms == [job_start.START_SECONDS, 0], "it ends where no input comes, but not later"
    assert supervisor.sessions == 1


def test_a_supervisor_holds_the_lock_while_the_command_runs(
    deploy: Job, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    running: list[bool] = []

    def status_of(*_: Any) -> int:
        running.append(deploy.running)
        return 0

    monkeypatch.setattr(program, "status_of", status_of)
    supervisor.leader(monkeypatch, True)
    run = given_run(deploy, "true")
    assert program.supervise(run.folder) == 0
    assert (running, deploy.running, supervisor.sessions) == ([True], False, 0)
    assert run.state["status"] == 0


def test_a_supervisor_of_an_older_run_or_without_the_whole_input_runs_nothing(
    deploy: Job, supervisor: Supervisor
) -> None:
    run = given_run(deploy, "echo ran")
    run.input.write_bytes(b"i")
    assert program.supervise(run.folder) == 1
    assert "status" not in run.state
    run.input.write_bytes(b"in\n")
    given_run(deploy, "true", number=2)
    assert program.supervise(run.folder) == 1
    assert run.result.read_text() == ""


def test_lines_of_shell_precede_the_script_of_their_job_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(program, "DEFAULTS", tmp_path)
    (tmp_path / "deploy").write_text("export A=1\n")
    assert program.with_defaults(["sh", "-c", "env"], "deploy") == ["sh", "-c", "export A=1\nenv"]
    assert program.with_defaults(["sh", "-c", "env"], "other") == ["sh", "-c", "env"]


def test_a_signal_is_a_status_above_128_and_a_program_that_is_missing_is_127(
    supervisor: Supervisor, capsys: pytest.CaptureFixture[str]
) -> None:
    with open(os.devnull, "w+b") as null:  # noqa: PTH123
        assert program.status_of(["sh", "-c", "kill -9 $$"], null, null) == 137
        assert program.status_of(["sh", "-c", "exit 255"], null, null) == 255
        assert program.status_of(["/no/such"], null, null) == 127
    assert capsys.readouterr().err == "/no/such: No such file or directory\n"


# -- the command line


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The calls of `join`; `follow` returns 3 unless a test replaces it."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    handlers = [signal.getsignal(number) for number in numbers]
    calls: list[Any] = []
    monkeypatch.setattr(program, "join", lambda job, command, given: calls.append((job.folder, command, given)))
    monkeypatch.setattr(program, "follow", lambda job, run: 3)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"in")))
    yield calls
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


def test_run_joins_and_returns_the_status(deploy: Job, followed: list[Any]) -> None:
    assert program.main(["run", "deploy", "sh", "-c", "a/b"]) == 3
    assert followed == [(deploy.folder, ["sh", "-c", "a/b"], b"in")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_detaches_the_follower(
    deploy: Job,
    followed: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    monkeypatch.setattr(program, "follow", lambda *_: signal.raise_signal(number))
    assert program.run("deploy", ["true"]) == 128 + number
    assert capsys.readouterr().err == (
        "deploy: detached; the job continues, and the next pulumi up joins it. "
        f"To stop it: {job_runs.PROGRAM} stop deploy\n"
    )


def test_output_that_nothing_reads_ends_the_follower(
    deploy: Job, followed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def follow(*_: Any) -> int:
        raise BrokenPipeError

    monkeypatch.setattr(program, "follow", follow)
    assert program.run("deploy", ["true"]) == 141


def test_an_operator_s_commands_are_for_the_named_jobs_or_all(deploy: Job, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("deploy", "other"):
        run_of(Job(deploy.folder.with_name(name)), status=0, ended=0)
    assert program.main(["status"]) == 0
    assert [line.partition(",")[0] for line in capsys.readouterr().out.splitlines()] == [
        "deploy: run 1", "other: run 1",
    ]  # fmt: skip
    assert program.main(["stop", "other"]) == 0
    assert capsys.readouterr().err.startswith("other: run 1, succeeded")
    assert program.main(["forget", "other"]) == 0
    assert [job.name for job in job_runs.jobs([])] == ["deploy"]
    assert program.main(["forget"]) == 0
    assert job_runs.jobs([]) == []


def test_supervise_is_for_the_program_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "supervise", lambda folder: 7 if folder == Path("/a/1") else 8)
    assert program.main(["supervise", "/a/1"]) == 7


@pytest.mark.parametrize("words", [[], ["run"], ["run", "x"], ["stop"], ["other"]])
def test_a_wrong_command_line_shows_the_usage_alone(words: list[str]) -> None:
    with pytest.raises(Fault) as refused:
        program.main(words)
    lines = str(refused.value).splitlines()
    assert [line.split()[:2] for line in lines] == [["rack-job", verb] for verb in ("run", "status", "stop", "forget")]


@pytest.mark.parametrize("words", [["run", "a/b", "true"], ["forget", "a", "b/c"], ["status", "-a"]])
def test_a_name_that_is_no_folder_s_is_refused(words: list[str]) -> None:
    with pytest.raises(Fault, match="the name of a job consists of"):
        program.main(words)


def test_the_key_depends_on_command_and_input() -> None:
    assert key_of(["a", "b"], b"c") == hashlib.sha256(b'["a", "b"]\0c').hexdigest(), "other versions have the same"
    assert len({key_of(["a", "b"], b""), key_of(["a b"], b""), key_of(["a", "b"], b"c")}) == 3


def test_the_state_is_a_file_that_other_versions_read(deploy: Job) -> None:
    assert json.loads((run_of(deploy).folder / "state").read_text())["command"] == ["true"]
