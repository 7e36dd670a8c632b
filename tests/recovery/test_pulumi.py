"""Calls of Pulumi's command line, and locks that a killed process left behind."""

import json
import os
import socket
import stat
from pathlib import Path

import pytest

from recovery.pulumi import Pulumi, PulumiError
from recovery.state import State
from tests.recovery.build import state

ROOT = {"urn": "urn:pulumi:dev::rack::pulumi:pulumi:Stack::rack-dev", "type": "pulumi:pulumi:Stack"}

FAKE = """\
#!/bin/sh
echo "$*" >> {log}
case "$1 $2" in
  "stack export") echo '{{"version": 3, "deployment": {{"resources": []}}}}' ;;
  "preview --json")
    echo '{{"steps": [{{"op": "same", "newState": {{"urn": "a"}}}},'
    echo '{{"op": "create", "urn": "b", "newState": {{"urn": "b"}}}}], "diagnostics": ['
    [ ! -e {lock} ] || echo '{{"severity": "error", "message": "a problem of the program"}}'
    echo ']}}'
    [ ! -e {lock} ] || exit 255 ;;
  "whoami --json") echo '{{"user": "u", "url": "{url}"}}' ;;
  "stack import") shift 3; stat -c %a "$1" >> {log} ;;
  "cancel --yes") rm -f {lock} ;;
  refresh*) if [ -e {lock} ]; then cat {lock} >&2; exit 1; fi ;;
esac
"""

LOCKED = """\
error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the lock file
  file:///state/.pulumi/locks/x.json: created by root@{host} (pid {pid}) at 2026-12-01T09:00:00Z
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program `pulumi` first on the PATH; return the file with its calls."""
    program = tmp_path / "bin/pulumi"
    program.parent.mkdir()
    url = f"file://{tmp_path}/state?metadata=skip"
    program.write_text(FAKE.format(log=tmp_path / "log", lock=tmp_path / "lock", url=url))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return tmp_path / "log"


def lock(log: Path, host: str, pid: int) -> None:
    log.with_name("lock").write_text(LOCKED.format(host=host, pid=pid))


def claimed() -> State:
    found = state()
    found.exported["deployment"]["resources"].append(ROOT)
    return found


def dead_pid() -> int:
    """Return the number of a process that has ended."""
    pid = os.spawnvp(os.P_NOWAIT, "true", ["true"])
    os.waitpid(pid, 0)
    return pid


def test_the_state_is_written_from_a_private_file(log: Path) -> None:
    Pulumi("dev").store(state())
    assert log.read_text().splitlines()[-1] == "600"
    assert "--stack dev" in log.read_text()


def test_a_refresh_names_its_targets(log: Path) -> None:
    Pulumi("dev").refresh(["a", "b"])
    assert "--target a --target b" in log.read_text()


def test_a_preview_tells_what_would_be_created(log: Path) -> None:
    assert [r.urn for r in Pulumi("dev").planned()] == ["b"]


def test_a_failed_preview_is_an_error(log: Path) -> None:
    log.with_name("lock").touch()
    with pytest.raises(PulumiError, match=r"^pulumi preview: a problem of the program$"):
        Pulumi("dev").planned()


def test_a_preview_without_pulumi_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PulumiError, match="found no `pulumi` on PATH"):
        Pulumi("dev").planned()


def test_the_lock_of_a_dead_process_is_removed(log: Path) -> None:
    lock(log, socket.gethostname(), dead_pid())
    Pulumi("dev").claim(claimed())
    verbs = [line.split()[0] for line in log.read_text().splitlines()]
    assert verbs == ["whoami", "refresh", "cancel", "refresh"]


def hold(log: Path, host: str, pid: int, stack: str = "dev") -> None:
    """Write a lock as Pulumi's file backend does."""
    file = log.with_name("state") / f".pulumi/locks/organization/rack/{stack}/{host}-{pid}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"pid": pid, "username": "root", "hostname": host, "timestamp": "2026-12-01T09:00:00Z"}))


def test_the_lock_of_a_dead_process_is_seen_in_a_folder_and_removed_first(log: Path) -> None:
    pid = dead_pid()
    hold(log, socket.gethostname(), pid)
    assert Pulumi("dev").dead_holders() == [pid]
    Pulumi("dev").claim(claimed())
    assert [line.split()[0] for line in log.read_text().splitlines()][2:] == ["cancel", "refresh"]


@pytest.mark.parametrize(
    ("host", "pid"), [(socket.gethostname(), os.getpid()), ("elsewhere", 1)], ids=["living", "distant"]
)
def test_no_lock_is_removed_while_one_of_them_may_be_held(log: Path, host: str, pid: int) -> None:
    hold(log, socket.gethostname(), dead_pid())
    hold(log, host, pid)
    assert Pulumi("dev").dead_holders() == []


def test_locks_of_other_stacks_do_not_count(log: Path) -> None:
    hold(log, socket.gethostname(), dead_pid(), stack="other")
    assert Pulumi("dev").dead_holders() == []


@pytest.mark.parametrize(
    ("host", "pid"), [(socket.gethostname(), os.getpid()), ("elsewhere", 1)], ids=["living", "distant"]
)
def test_the_lock_of_a_living_or_distant_process_is_respected(log: Path, host: str, pid: int) -> None:
    lock(log, host, pid)
    with pytest.raises(PulumiError, match=r"pulumi refresh --yes: .*currently locked by 1 lock"):
        Pulumi("dev").claim(claimed())
    assert "cancel" not in log.read_text()


def test_an_error_names_the_command_and_pulumi_s_reason(log: Path) -> None:
    log.with_name("lock").write_text("error: no stack named 'dev'\n")
    with pytest.raises(PulumiError, match=r"^pulumi refresh --yes: error: no stack named 'dev'$"):
        Pulumi("dev").refresh([])


def test_a_missing_pulumi_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PulumiError, match="no program pulumi on the PATH"):
        Pulumi("dev").export()
