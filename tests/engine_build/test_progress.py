"""`make up` and `make test` say where they are: current step, elapsed and expected time."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine.progress import current

PROJECT = Path(__file__).resolve().parents[2]


def run(folder: Path, script: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run a shell script under `engine.progress`, with a line every 50 ms."""
    more = {"RACK_DURATIONS": str(folder / "durations.json"), "RACK_PROGRESS_SECONDS": "0.05", **env}
    command = [sys.executable, "-m", "engine.progress", "up", "sh", "-c", script]
    return subprocess.run(command, cwd=PROJECT, env={**os.environ, **more}, capture_output=True, text=True)


def test_a_line_has_the_current_step_and_the_expected_time(tmp_path: Path) -> None:
    """The command ends once a line was seen, so nothing depends on the speed of the machine."""
    (tmp_path / "durations.json").write_text('{"up": 68}')
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    env = {
        **os.environ, "RACK_DURATIONS": str(tmp_path / "durations.json"), "RACK_PROGRESS_SECONDS": "0.05",
    }  # fmt: skip
    script = f"echo ' +  command:remote:Command overcloud-deploy creating (1s)'; cat {pipe}"
    command = [sys.executable, "-m", "engine.progress", "up", "sh", "-c", script]
    with subprocess.Popen(command, cwd=PROJECT, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "==> up: about 68 s, as the last time\n"
        said = next(line for line in process.stdout if "overcloud-deploy, " in line)
        with pipe.open("w"):
            pass
        rest = process.stdout.read()
    assert re.fullmatch(r"==> up: overcloud-deploy, \d+ s of about 68 s\n", said)
    assert process.returncode == 0, rest


def test_the_duration_of_a_success_is_the_next_expectation(tmp_path: Path) -> None:
    first = run(tmp_path, "true")
    assert first.stdout == "==> up: no earlier run to compare with\n"
    assert set(json.loads((tmp_path / "durations.json").read_text())) == {"up"}


def test_a_failure_has_its_status_and_is_no_expectation(tmp_path: Path) -> None:
    done = run(tmp_path, "echo error >&2; exit 3")
    assert done.returncode == 3
    assert "error\n" in done.stdout
    assert not (tmp_path / "durations.json").exists()


@pytest.mark.parametrize(
    ("line", "step"),
    [
        (" +  command:remote:Command undercloud-install creating (12s)", "undercloud-install"),
        (" ~  ufm:index:PKey fabric-Storage updating (0s) [diff: ~members]", "fabric-Storage"),
        (" -  openstack:compute:Instance tenant-vm1_gpu deleting (3s)", "tenant-vm1_gpu"),
        ("........................................ [ 31%]", "31%"),
        ("some other line", ""),
    ],
)
def test_the_current_step_is_read_from_the_output(line: str, step: str) -> None:
    assert current(line) == step
