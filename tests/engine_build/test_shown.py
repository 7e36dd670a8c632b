"""What `make up` shows: the command's output without the provider's `%!s(<nil>)`."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from engine.shown import NOISE, Filter
from tests.engine_build.test_servers import PROVIDER

ROOT = Path(__file__).resolve().parents[2]
SHOWN = [sys.executable, "-m", "engine.shown"]
KEPT = "unexpected state 'ERROR', wanted target 'ACTIVE'"


@pytest.mark.parametrize("size", range(1, 40))
def test_the_noise_is_left_out_wherever_the_stream_is_cut(size: int) -> None:
    text = b"one" + NOISE[0] + b". last" + NOISE[1] + b" error, end. "
    shown = Filter()
    pieces = [shown(text[at : at + size]) for at in range(0, len(text), size)]
    assert b"".join(pieces) + shown.rest() == b"one. last error, end. "


@pytest.mark.parametrize("status", [0, 3])
def test_output_and_status_of_a_command_are_its_own(status: int) -> None:
    script = f'echo out; echo "{PROVIDER}" >&2; exit {status}'
    done = subprocess.run([*SHOWN, "sh", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (status, f"out\n{KEPT}\n", "")


def test_a_command_that_a_signal_ends_has_a_shell_s_status() -> None:
    done = subprocess.run([*SHOWN, "sh", "-c", "kill -9 $$"], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 128 + signal.SIGKILL


def test_the_command_decides_what_an_interrupt_does() -> None:
    script = 'trap "echo interrupted; exit 5" INT; echo ready; while :; do sleep 0.1; done'
    process = subprocess.Popen([*SHOWN, "sh", "-c", script], cwd=ROOT, stdout=-1, text=True, start_new_session=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=30)[0] == "interrupted\n"
    assert process.returncode == 5


class Terminal:
    """A terminal in which a command runs through the filter."""

    def __init__(self, script: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
        self.process = subprocess.Popen(
            [*SHOWN, "sh", "-c", script], cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)

    def press(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def read_until(self, text: bytes) -> bytes:
        """Return what is shown until a text or the end of the command."""
        seen = b""
        while text not in seen:
            try:
                seen += os.read(self._ours, 4096)
            except OSError:  # the command has ended
                break
        return seen


def test_on_a_terminal_the_command_has_one_of_the_same_size() -> None:
    terminal = Terminal(f'stty size; tty; echo "{PROVIDER}"; echo over; exit 4')
    seen = terminal.read_until(b"over")
    assert seen.splitlines()[0] == b"33 77"
    assert b"/dev/pts/" in seen
    assert KEPT.encode() in seen
    assert b"nil" not in seen
    assert terminal.process.wait(30) == 4


def test_ctrl_c_on_a_terminal_reaches_the_command() -> None:
    script = 'trap "echo interrupted; exit 5" INT; echo ready; while :; do sleep 0.1; done'
    terminal = Terminal(script)
    terminal.read_until(b"ready")
    terminal.press(b"\x03")
    assert b"interrupted" in terminal.read_until(b"interrupted")
    assert terminal.process.wait(30) == 5


def test_make_up_runs_pulumi_through_the_filter() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\nup: ")[2].partition("\n\n")[0]
    assert "$(PYTHON) -m engine.shown pulumi up" in recipe
