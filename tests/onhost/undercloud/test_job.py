"""The job runner runs a job once even if its caller, its supervisor or the machine dies.

The test's job counts its runs and waits at a named pipe, so no test depends on timing.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.process import until
from onhost import shipping
from onhost.undercloud import job_follow, job_report, job_runs, job_start
from onhost.undercloud.common import Fault
from onhost.undercloud.job_follow import ShownLog, follow
from onhost.undercloud.job_report import failing_step
from onhost.undercloud.job_runs import Job, Run
from onhost.undercloud.job_start import join

Done = subprocess.CompletedProcess[str]
pytestmark = pytest.mark.timeout(60)


class Host:
    """Run jobs in a folder. The script appends to `count` and waits at the pipe `gate`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.jobs, self.program = folder, folder / "jobs", folder / "rack-job"
        program = shipping.program("undercloud.job")
        slow, fast = f"\nLOOK_SECONDS = {job_runs.LOOK_SECONDS}\n", "\nLOOK_SECONDS = 0.02\n"
        assert slow in program
        self.program.write_text(program.replace(slow, fast))
        os.mkfifo(folder / "gate")
        self.script = f"cd {folder}; echo run >> count; echo begun >&2; cat gate >&2; cat; echo result"
        self._children: list[subprocess.Popen[str]] = []

    @property
    def count(self) -> int:
        """The number of times that the script has started."""
        return len((self.folder / "count").read_text().split())

    def open(self) -> None:
        """Let the waiting script, or else the next one, continue."""
        (self.folder / "gate").write_text("went on\n")

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-I", str(self.program), *words]

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "RACK_JOBS": str(self.jobs), "RACK_JOB_DEFAULTS": str(self.folder / "defaults")}

    def do(self, *words: str, stdin: str = "") -> Done:
        return subprocess.run(self.argv(*words), input=stdin, env=self.env, capture_output=True, text=True, timeout=50)

    def run(self, script: str = "", stdin: str = "in\n", name: str = "deploy") -> Done:
        return self.do("run", name, "sh", "-c", script or self.script, stdin=stdin)

    def begin(self, script: str = "", stdin: str = "in\n") -> "subprocess.Popen[str]":
        """Start a job and return its client once the script has begun or the client has joined a running one."""
        pipe = subprocess.PIPE
        argv = self.argv("run", "deploy", "sh", "-c", script or self.script)
        child = subprocess.Popen(argv, env=self.env, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self._children.append(child)
        assert child.stdin
        child.stdin.write(stdin)
        child.stdin.close()
        child.stdin = None
        assert "begun" in said_until(child.stderr, "begun")
        return child

    @property
    def latest(self) -> Run:
        found = Job(self.jobs / "deploy").latest
        assert found
        return found

    @property
    def supervisor(self) -> int:
        return int(self.latest.state["session"])

    def clean(self) -> None:
        for child in self._children:
            child.kill()
            child.communicate()
        self.do("stop", "deploy")


def said_until(stream: IO[str] | None, text: str) -> str:
    assert stream
    said = ""
    for line in stream:
        said += line
        if text in line:
            return said
    return said


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    host = Host(tmp_path)
    yield host
    host.clean()


# -- once


def test_a_successful_job_is_not_run_again(host: Host) -> None:
    for _ in range(2):
        done = host.run("echo run >> $0/count; echo said >&2; cat; umask", stdin="given\n")
        assert (done.returncode, done.stdout) == (0, "given\n0022\n"), done.stderr
    assert "done" in done.stderr
    assert "said" not in done.stderr


def counting(host: Host, rest: str) -> str:
    return f"echo run >> {host.folder}/count; {rest}"


def test_changed_inputs_run_the_job_again_and_only_the_newest_run_counts(host: Host) -> None:
    script = counting(host, "cat")
    for number, (stdin, runs) in enumerate((("a", 1), ("a", 1), ("b", 2), ("a", 3)), start=1):
        assert host.run(script, stdin=stdin).stdout == stdin
        assert host.count == runs, number
    assert host.run(counting(host, "true"), stdin="a").stdout == ""
    assert host.count == 4


def test_a_failed_job_is_run_again_and_its_log_is_kept(host: Host) -> None:
    script = counting(host, f"echo attempt >&2; [ -e {host.folder}/mended ] || exit 7")
    first = host.run(script)
    assert first.returncode == 7
    assert "deploy failed with status 7" in first.stderr
    assert "attempt" in first.stderr
    assert f"{host.jobs}/deploy/1/log" in first.stderr
    assert "pulumi up" in first.stderr
    (host.folder / "mended").touch()
    assert host.run(script).returncode == 0
    assert host.count == 2
    assert (host.jobs / "deploy/1/log").read_text() == "attempt\n"


def test_only_the_newest_runs_are_kept(host: Host) -> None:
    for _ in range(job_start.KEPT + 3):
        host.run("exit 1")
    assert sorted(r.folder.name for r in Job(host.jobs / "deploy").runs) == ["4", "5", "6", "7", "8"]


def test_concurrent_callers_share_one_run(host: Host) -> None:
    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(host.run) for _ in range(8)]
        host.open()
        ends = [r.result() for r in running]
    assert host.count == 1
    assert {(e.returncode, e.stdout) for e in ends} == {(0, "in\nresult\n")}
    assert not any("Traceback" in e.stderr for e in ends)


@pytest.fixture
def ending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A job whose run ends when somebody looks whether it runs."""
    job = Job(tmp_path / "deploy")
    run = Run(job.folder / "1")
    run.folder.mkdir(parents=True)
    run.note(key=job_runs.key_of(["true"], b""), command=["true"], at=1.0)

    def ends(_: Job) -> bool:
        run.note(status=0, ended=2.0)
        return False

    monkeypatch.setattr(Job, "running", property(ends))
    return job


def test_a_run_that_ends_while_it_is_joined_is_not_repeated(ending: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_start, "_start", lambda *_: pytest.fail("it is repeated"))
    assert join(ending, ["true"], b"").folder.name == "1"


def test_the_status_of_a_run_that_ends_is_not_interrupted(ending: Job) -> None:
    assert ending.status().startswith("deploy: run 1, succeeded 1970-01-01 00:00:02 UTC")


def test_other_inputs_are_refused_while_a_run_is_under_way(host: Host) -> None:
    running = host.begin()
    refused = host.run(stdin="other\n")
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert "deploy: another run has been under way since " in refused.stderr
    assert "stop deploy" in refused.stderr
    assert host.run("true", name="another").returncode == 0, "jobs with other names are not blocked"
    host.open()
    assert running.wait() == 0
    assert host.count == 1


# -- the caller dies


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_next_caller_joins_after_the_first_is_killed(host: Host, how: signal.Signals) -> None:
    first = host.begin()
    first.send_signal(how)
    _, said = first.communicate()
    assert ("detached; the job continues" in said) == (how != signal.SIGKILL)
    second = host.begin()
    host.open()
    out, said = second.communicate()
    assert (second.returncode, out, host.count) == (0, "in\nresult\n", 1)
    assert "went on" in said


def test_a_follower_ends_when_its_pipes_are_closed(host: Host) -> None:
    """A cut SSH connection closes the pipes. The follower ends even if the job prints nothing."""
    first = host.begin()
    for stream in (first.stdout, first.stderr):
        assert stream
        stream.close()
    assert first.wait() == 141
    first.stdout = first.stderr = None
    host.open()
    assert host.run().stdout == "in\nresult\n"
    assert host.count == 1


def test_a_run_that_ended_without_a_follower_counts_as_done(host: Host) -> None:
    first = host.begin()
    first.kill()
    host.open()
    done = host.run()
    assert (done.returncode, done.stdout, host.count) == (0, "in\nresult\n", 1)


def test_a_run_whose_starter_died_before_the_input_gets_it_from_the_next_caller(host: Host) -> None:
    (host.folder / "gate").unlink()
    (host.folder / "gate").touch()
    command = ["sh", "-c", host.script]
    half = Run(host.jobs / "deploy/1")
    half.folder.mkdir(parents=True)
    half.note(key=job_runs.key_of(command, b"in\n"), command=command, at=0)
    os.mkfifo(half.input)
    with subprocess.Popen(host.argv("supervise", str(half.folder))):
        wait_until(lambda: Job(host.jobs / "deploy").running)
        done = host.run()
    assert (done.returncode, done.stdout, host.count) == (0, "in\nresult\n", 1)
    assert "joined" in done.stderr


def wait_until(true: Callable[[], bool]) -> None:
    while not true():
        os.sched_yield()


def test_a_truncated_input_starts_no_script(host: Host) -> None:
    command = ["sh", "-c", host.script]
    half = Run(host.jobs / "deploy/1")
    half.folder.mkdir(parents=True)
    half.note(key=job_runs.key_of(command, b"all of it"), command=command, at=0)
    os.mkfifo(half.input)
    with subprocess.Popen(host.argv("supervise", str(half.folder))) as supervisor:
        half.input.write_bytes(b"all")
    assert supervisor.returncode == 1
    assert not (host.folder / "count").exists()


# -- the supervisor dies, the machine reboots


def test_the_next_run_waits_for_processes_that_a_killed_supervisor_left(host: Host) -> None:
    first = host.begin()
    os.kill(host.supervisor, signal.SIGKILL)
    out, said = first.communicate()
    assert (first.returncode, out) == (1, "")
    assert "deploy was interrupted: its supervisor was killed" in said
    argv = host.argv("run", "deploy", "sh", "-c", host.script)
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, env=host.env, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as second:
        assert second.stdin
        assert second.stdout
        second.stdin.write("in\n")
        second.stdin.close()
        said_until(second.stderr, "waiting for its processes: [")
        assert host.count == 1
        assert len(host.latest.processes()) == 2
        host.open()
        said_until(second.stderr, "begun")
        host.open()
        assert second.stdout.read() == "in\nresult\n"
    assert host.count == 2


@pytest.fixture
def another() -> Iterator[int]:
    """Yield the ID of a session that is not the job's.

    The session of pytest cannot be used: its leader may be in another PID namespace.
    """
    with subprocess.Popen(["sleep", "infinity"], start_new_session=True) as child:
        yield child.pid
        child.kill()


def test_a_pid_that_another_process_has_after_a_reboot_is_ignored(host: Host, another: int) -> None:
    """The record has the session of before the reboot; an unrelated process now has its number."""
    host.run("exit 1")
    known = host.latest.state
    del known["status"], known["ended"]
    for cut in (
        {"boot": "another", "session": another, "begun": job_runs.process(another)[1]},
        {"session": another, "begun": 1},
    ):
        host.latest._state.write_text("{}")
        host.latest.note(**{**known, **cut})
        assert host.latest.processes() == []
        assert "interrupted" in host.do("status").stdout
        done = host.run("exit 1")
        assert "its last run was interrupted, by a reboot or a kill" in done.stderr
        assert done.returncode == 1


def test_stop_ends_a_running_job(host: Host) -> None:
    first = host.begin()
    said = host.do("stop", "deploy").stderr
    assert "failed with status 143" in said
    assert first.wait() == 143
    assert until(lambda: host.latest.processes() == [], 30), "the supervisor ends after it has recorded the end"


def test_stop_kills_a_job_that_ignores_sigterm(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    first = host.begin(f"trap '' TERM; {host.script}")
    monkeypatch.setattr(job_runs, "STOP_SECONDS", 1)
    Job(host.jobs / "deploy").stop()
    assert first.wait() == 137


def test_forget_is_refused_while_a_job_runs_and_deletes_its_files_afterwards(host: Host) -> None:
    first = host.begin()
    for words in (["forget", "deploy"], ["forget"]):
        refused = host.do(*words)
        assert refused.returncode == 1
        assert refused.stderr.startswith("deploy is running\n")
    host.open()
    first.wait()
    assert host.do("forget").returncode == 0
    assert not host.jobs.exists()
    assert host.do("forget", "deploy").returncode == 0, "forget is idempotent"
    again = host.begin()
    host.open()
    assert again.wait() == 0
    assert host.count == 2, "a forgotten job runs again"


# -- output and files


def test_standard_input_is_in_no_file_and_no_command_line(host: Host) -> None:
    running = host.begin(host.script.replace("cat;", "cat > /dev/null;"), stdin="CANARY\n")
    assert host.jobs.stat().st_mode & 0o777 == 0o700
    assert host.jobs.joinpath("deploy").stat().st_mode & 0o777 == 0o700
    texts = [f.read_bytes() for f in host.jobs.rglob("*") if f.is_file()]
    commands = [f.read_bytes() for f in Path("/proc").glob("[0-9]*/cmdline") if readable(f)]
    assert not any(b"CANARY" in text for text in (*texts, *commands))
    host.open()
    assert running.wait() == 0


def readable(file: Path) -> bool:
    try:
        return bool(file.read_bytes())
    except OSError:
        return False


def test_a_large_input_arrives_completely(host: Host) -> None:
    assert host.run("wc -c", stdin="x" * 1_000_000).stdout.strip() == "1000000"


def test_a_long_log_is_shown_by_its_first_lines_and_its_last(host: Host) -> None:
    done = host.run(
        "i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo line $i >&2; done; printf '\\033[31mred\\033[0m' >&2"
    )
    told = [line for line in done.stderr.splitlines() if line.startswith("line")]
    assert told == [f"line {i}" for i in range(1, job_follow.SHOWN_FIRST + 1)]
    assert done.stderr.endswith("\nred\n"), "the last line is shown"


def test_a_program_that_cannot_be_started_is_reported(host: Host) -> None:
    done = host.do("run", "deploy", "/no/such/program")
    assert done.returncode == 127
    assert "/no/such/program: No such file or directory" in done.stderr


@pytest.mark.parametrize("words", [[], ["run"], ["run", "x"], ["stop"], ["run", "../x", "true"], ["forget", "a/b"]])
def test_invalid_arguments_are_refused(host: Host, words: list[str]) -> None:
    done = host.do(*words)
    assert done.returncode == 1
    assert "rack-job run NAME" in done.stderr or "the name of a job" in done.stderr
    assert not host.jobs.exists()


# -- systemd


SYSTEMD_RUN = """\
#!/bin/sh
# Imitates systemd-run 239: starts one unit with its own environment.
echo "$*" > "$UNITS/arguments"
for word in "$@"; do
  case $word in
    --unit=*) unit=${word#*=} ;;
    --setenv=*) set -- "$@" "${word#*=}" ;;
  esac
done
[ ! -e "$UNITS/broken" ] || { echo "Failed to start transient service unit: broken" >&2; exit 1; }
while [ "$1" != "$PYTHON" ]; do shift; done
setsid env -i $(for word in "$@"; do case $word in [A-Z]*=*) echo "$word" ;; esac; done) "$1" "$2" "$3" "$4" "$5" \\
  </dev/null >/dev/null 2>&1 &
"""


@pytest.fixture
def units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/systemd-run").write_text(SYSTEMD_RUN)
    (tmp_path / "bin/systemd-run").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("UNITS", str(tmp_path))
    monkeypatch.setenv("PYTHON", sys.executable)
    monkeypatch.setattr(job_start, "SYSTEMD", tmp_path)
    monkeypatch.setattr(job_start, "PROGRAM", tmp_path / "rack-job")
    (tmp_path / "rack-job").write_text(shipping.program("undercloud.job"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return tmp_path


def test_a_run_is_a_systemd_unit_where_systemd_runs(units: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    deploy = Job(units / "jobs/deploy")
    run = join(deploy, ["sh", "-c", 'cat; echo "$PATH"; echo "$UNITS"'], b"in\n")
    assert follow(deploy, run) == 0
    assert capfdbinary.readouterr().out == f"in\n{os.environ['PATH']}\n\n".encode(), "only PATH is the caller's"
    words = (units / "arguments").read_text().split()
    assert words[:3] == ["--quiet", "--collect", "--unit=rack-job-deploy-1"]
    assert words[-3:] == [str(units / "rack-job"), "supervise", str(run.folder)]


def test_a_unit_that_does_not_start_is_a_fault(units: Path) -> None:
    (units / "broken").touch()
    with pytest.raises(Fault, match="systemd-run could not start it"):
        join(Job(units / "jobs/deploy"), ["true"], b"")


def test_a_unit_that_never_answers_times_out(units: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (units / "bin/systemd-run").write_text("#!/bin/true\n")
    monkeypatch.setattr(job_start, "START_SECONDS", 1)
    with pytest.raises(Fault, match="did not start within 1 s"):
        join(Job(units / "jobs/deploy"), ["true"], b"")


# -- a full disk


class Disk:
    """A small file system for the jobs of a host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=True)

    def fill(self) -> None:
        """Write until the disk is full."""
        with (self.folder / "ballast").open("wb", buffering=0) as stream, suppress(OSError):
            while stream.write(bytes(4096)):
                pass

    def free(self) -> None:
        """Delete what fills the disk."""
        (self.folder / "ballast").unlink()


@pytest.fixture
def disk(host: Host) -> Iterator[Disk]:
    made = Disk(host.jobs)
    yield made
    host.clean()
    subprocess.run(["umount", str(host.jobs)], check=True)


@pytest.mark.lab  # mounts a file system
def test_a_job_that_does_not_start_on_a_full_disk_says_so_and_starts_next_time(host: Host, disk: Disk) -> None:
    disk.fill()
    refused = host.run("echo done")
    assert refused.returncode == 1
    assert f"deploy: did not start: no space left in {host.jobs} on {os.uname().nodename}; free" in refused.stderr
    assert "Traceback" not in refused.stderr
    disk.free()
    assert host.run("echo done").stdout == "done\n"


@pytest.mark.lab  # mounts a file system
def test_a_job_during_which_the_disk_fills_up_says_so_and_is_run_again(host: Host, disk: Disk) -> None:
    """Nobody knows how its command ended: there is no space to note it."""
    child = host.begin()
    disk.fill()
    host.open()
    _, said = child.communicate(timeout=50)
    assert child.returncode == 1
    assert "deploy was interrupted: no space left in" in said
    assert "To resume: fix the cause, then pulumi up" in said
    disk.free()
    again = host.begin()
    host.open()
    assert again.communicate(timeout=50)[0].endswith("result\n")
    assert again.returncode == 0
    assert host.count == 2


# -- error texts


def dense(*rows: tuple[str, str]) -> list[str]:
    """Return lines in TripleO's format of Ansible's output (tripleo_dense)."""
    stamp = "2022-03-01 12:00:00.123456 | 525400c2-f6d2-b8e2-8bbd-0000000000a1"
    return [f"{stamp} | {kind:>10} | {text}" for kind, text in rows]


DEPLOY = [
    *dense(
        ("TASK", "Gather facts"),
        ("OK", "Gather facts | overcloud-controller-0"),
        ("FATAL", "Check something | overcloud-controller-0 | error={\"msg\": \"of no account\"}"),
    ),
    "...ignoring",
    *dense(
        ("TASK", "Run puppet host configuration for step 1"),
        ("CHANGED", "Run puppet host configuration for step 1 | overcloud-controller-0"),
        ("TASK", "Start containers for step 3"),
        ("OK", "Start containers for step 3 | overcloud-controller-1"),
        (
            "FATAL",
            "Start containers for step 3 | overcloud-controller-0 | error={\"changed\": false, \"rc\": 1, "
            "\"msg\": \"Failed containers: neutron_api\", \"stderr\": \"one\\ntwo\\nport 9696 is in use\"}",
        ),
        ("TIMING", "Start containers for step 3 | overcloud-controller-0 | 0:21:33.1 | 61.35s"),
    ),
    "NO MORE HOSTS LEFT *************************************************************",
    "PLAY RECAP *********************************************************************",
    "overcloud-controller-0     : ok=289  changed=130  unreachable=0    failed=1    skipped=114",
    "Overcloud configuration failed.",
    "RuntimeError: Ansible execution failed. playbook: deploy_steps_playbook.yaml, Run Status: failed, Return Code: 2",
]  # fmt: skip


def test_failing_step_finds_the_failed_task_of_a_deployment() -> None:
    told = failing_step([*dense(("OK", "x | y")) * 5000, *DEPLOY])
    assert told[0].endswith("TASK | Start containers for step 3")
    assert told[1].endswith(
        "FATAL | Start containers for step 3 | overcloud-controller-0: Failed containers: neutron_api"
    )
    assert told[2:5] == ["    one", "    two", "    port 9696 is in use"]
    assert told[-1].startswith("RuntimeError: Ansible execution failed.")
    assert len(told) <= job_report.SHOWN_LINES
    assert not any("no account" in line for line in told)


def test_failing_step_finds_the_failed_task_in_ansible_s_default_format() -> None:
    told = failing_step(
        [
            "PLAY [Undercloud deploy step tasks for 3] ****",
            "TASK [tripleo_container_image_prepare : Container image prepare] ****",
            "fatal: [undercloud]: FAILED! => {",
            '    "changed": false,',
            '    "msg": "Error running container image prepare: Max retries exceeded"',
            "}",
            "PLAY RECAP ****",
        ]
    )
    assert told[0].startswith("TASK [tripleo_container_image_prepare")
    assert "Max retries exceeded" in told[3]
    assert told[-1] == "PLAY RECAP ****"


def test_failing_step_finds_the_failed_resources_of_a_stack() -> None:
    told = failing_step(
        [
            "2022-03-01 12:00:00Z [overcloud.Networks]: CREATE_IN_PROGRESS  state changed",
            *["2022-03-01 12:00:01Z [overcloud.X]: CREATE_COMPLETE  state changed"] * 30,
            "2022-03-01 12:00:02Z [overcloud.Networks.Storage]: CREATE_FAILED  ResourceInError: no such VLAN",
            "2022-03-01 12:00:03Z [overcloud]: CREATE_FAILED  Resource CREATE failed",
            "Stack overcloud/4f6e CREATE_FAILED",
        ]
    )
    assert [line.partition("]: ")[2] or line for line in told] == [
        "CREATE_FAILED  ResourceInError: no such VLAN",
        "CREATE_FAILED  Resource CREATE failed",
        "Stack overcloud/4f6e CREATE_FAILED",
    ]


def test_failing_step_returns_the_end_of_a_log_without_steps() -> None:
    assert failing_step([str(n) for n in range(100)]) == [str(n) for n in range(100 - job_report.SHOWN_LINES, 100)]


LINES = st.lists(
    st.one_of(
        st.sampled_from([*DEPLOY, "TASK [x] ***", "fatal: [h]: FAILED! => {", '  "msg": 1', "}", "...ignoring"]),
        st.text(st.characters(exclude_characters="\n"), min_size=1, max_size=20),
        st.just("x" * 5000),
    ),
    max_size=60,
)


@given(LINES)
def test_failing_step_is_bounded_and_never_empty(lines: list[str]) -> None:
    told = failing_step(lines)
    assert len(told) <= job_report.SHOWN_LINES
    assert all(len(line) <= job_report.WIDTH for line in told)
    assert bool(told) == bool(lines)


@given(st.lists(st.binary(max_size=30)))
def test_every_line_is_shown_once_however_the_log_grows(parts: list[bytes]) -> None:
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job_follow, "say", said.append)
        shown = ShownLog()
        for part in parts:
            shown.more(part)
        shown.end()
    lines = [job_report.printable(line) for line in b"".join(parts).split(b"\n")]
    assert said == [line for line in lines if line][: job_follow.SHOWN_FIRST] or len(lines) > job_follow.SHOWN_FIRST


def test_defaults_precede_the_script_and_repeat_no_job(host: Host) -> None:
    """They reach a script behind `sudo`, which clears the environment, and are not part of the key."""
    script = 'echo "${A:-none} ${B:-none}"'
    assert host.run(script, name="other").stdout == "none none\n"
    (host.folder / "defaults").mkdir()
    (host.folder / "defaults" / "deploy").write_text("export A='a 1'\nexport B=b\n")
    assert host.run(script).stdout == "a 1 b\n"
    (host.folder / "defaults" / "deploy").write_text("export A=2\n")
    assert host.run(script).stdout == "a 1 b\n", "found done"
    assert host.run(f"B=own; {script}").stdout == "2 own\n", "the script has the last word"
