"""What the programs for groups of nodes share: parallel steps, one run at a time, exit status."""

import fcntl
import io
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from onhost.undercloud import wave_run
from onhost.undercloud.common import Fault
from onhost.undercloud.orders import SshAccess, WaveMember, WaveOrder, encode
from onhost.undercloud.shell import Unreachable
from onhost.undercloud.wave_run import AT_ONCE, carry_out, each, lock


class Node:
    """A node whose step ends with `error`, if there is one, once all nodes of the barrier are in it."""

    def __init__(self, error: Exception | None = None, barrier: threading.Barrier | None = None) -> None:
        self.error, self.barrier, self.steps = error, barrier, list[str]()

    def drain(self) -> None:
        if self.barrier:
            self.barrier.wait(30)
        self.steps.append("drain")
        if self.error:
            raise self.error


def test_a_step_runs_on_all_nodes_at_once() -> None:
    barrier = threading.Barrier(AT_ONCE)
    nodes = [Node(barrier=barrier) for _ in range(AT_ONCE)]
    each(nodes, "drain")
    assert all(node.steps == ["drain"] for node in nodes)


def test_more_nodes_than_connections_wait_for_their_turn() -> None:
    nodes = [Node() for _ in range(2 * AT_ONCE + 1)]
    each(nodes, "drain")
    assert all(node.steps == ["drain"] for node in nodes)


def test_a_step_ends_on_all_nodes_and_reports_every_fault() -> None:
    nodes = [Node(Fault("a: full")), Node(), Node(Unreachable("c: refused")), Node()]
    with pytest.raises(Fault) as fault:
        each(nodes, "drain")
    assert str(fault.value).splitlines() == [
        "this wave has stopped; nothing after it was started:", "  a: full", "  c: refused",
    ]  # fmt: skip
    assert all(node.steps == ["drain"] for node in nodes)


def test_a_defect_is_not_taken_for_a_fault() -> None:
    with pytest.raises(KeyError):
        each([Node(KeyError("a"))], "drain")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    return tmp_path


def opened(folder: Path) -> list[int]:
    """Return the file descriptors of this process that are a folder."""

    def is_it(entry: Path) -> bool:
        try:
            return entry.readlink() == folder
        except FileNotFoundError:
            return False

    return [int(entry.name) for entry in Path("/proc/self/fd").iterdir() if is_it(entry)]


def test_a_run_waits_for_an_earlier_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts, said = list[str](), threading.Event()

    def say(text: str) -> None:
        texts.append(text)
        said.set()

    monkeypatch.setattr(wave_run, "say", say)
    lock()  # held until the process ends
    assert texts == []
    (mine,) = opened(home)
    waiting = threading.Thread(target=lock)
    waiting.start()
    assert said.wait(30)
    assert texts == ["an earlier run is still active; waiting until it ends"]
    assert waiting.is_alive()
    fcntl.flock(mine, fcntl.LOCK_UN)
    waiting.join(30)
    assert not waiting.is_alive()
    with pytest.raises(BlockingIOError):
        fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
    for fd in opened(home):
        os.close(fd)


# -- a program


def give_order(monkeypatch: pytest.MonkeyPatch) -> None:
    order = WaveOrder(
        kind="compute", nodes=[WaveMember("compute-1", "192.0.2.21", "cloud-compute-0.local")],
        host_keys=["192.0.2.21 ssh-ed25519 AAAA", "192.0.2.22 ssh-ed25519 BBBB"], ssh=SshAccess("u", 22, "cloud"),
        tool="auto", device="c5:00.0", settings={}, minimum_release=None, instances="refuse", alone=False,
        boot_mode="bios", kernel_args="", gpu="10de:20b5", read_request=None, drain_limit=1, reboot_limit=1,
        pauses=[1.0], check_list=False,
    )  # fmt: skip
    monkeypatch.setattr(sys, "stdin", io.StringIO(encode(order)))


def test_a_program_has_the_host_keys_in_a_folder_that_may_vanish(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give_order(monkeypatch)
    seen = list[Any]()

    def run(given: WaveOrder, folder: str) -> None:
        seen.append((given.kind, Path(folder, "known_hosts").read_text()))
        shutil.rmtree(folder)

    monkeypatch.setattr(wave_run, "lock", lambda: seen.append("locked"))
    assert carry_out(run) == 0
    assert seen == ["locked", ("compute", "192.0.2.21 ssh-ed25519 AAAA\n192.0.2.22 ssh-ed25519 BBBB\n")]


def test_a_fault_is_the_reason_of_a_failed_program(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give_order(monkeypatch)
    folders = list[str]()

    def run(_: WaveOrder, folder: str) -> None:
        folders.append(folder)
        raise Fault("refused")

    monkeypatch.setattr(wave_run, "lock", lambda: None)
    assert carry_out(run) == 1
    assert capsys.readouterr().err == "refused\n"
    assert not Path(folders[0]).exists()
