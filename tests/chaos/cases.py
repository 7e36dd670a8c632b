"""Disturbances of a run: kills, Ctrl-C, outages, a full disk, a second engine."""

import os
import random
import shutil
import signal
import subprocess
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.runs import At, Ended, Operation, Project, Run, members
from lab.process import until
from tests.chaos.gateway import gateways
from tests.chaos.rack import Rack, machine, require

Command = Callable[[At | None], Ended]
"""Runs `up` or `destroy`, disturbed at its operations."""

PATIENCE = 30.0
"""Seconds that the processes of a killed engine have to end."""
SEED = 11


# ------------------------------------------------------------------------------------------------------- disturbances


def killed_at(wanted: Operation) -> At:
    """Kill engine, program and plug-ins at an operation."""
    return lambda operation, run: run.kill() if operation[:3] == wanted[:3] else None


def interrupt(run: Run, times: int) -> None:
    """Press Ctrl-C; press it again when the engine has confirmed the first."""
    run.interrupt()
    for _ in range(times - 1):
        until(lambda: "cancel" in run.output.lower() or run.process.poll() is not None, PATIENCE)
        if run.process.poll() is None:
            run.interrupt()


def held_at(wanted: Operation, meanwhile: Callable[[], None]) -> At:
    """Let the engine stand still at an operation while something else happens."""

    def at(operation: Operation, run: Run) -> None:
        if operation != wanted:
            return
        run.process.send_signal(signal.SIGSTOP)
        try:
            meanwhile()
        finally:
            run.process.send_signal(signal.SIGCONT)

    return at


def sample(operations: Iterable[Operation], count: int, seed: int = SEED) -> list[Operation]:
    """Return some of the operations, the same ones in each run."""
    return random.Random(seed).sample(sorted(set(operations)), count)


# ------------------------------------------------------------------------------------------------------------- runs


def lost_answer(command: Command, method: str, path: str) -> bool:
    """Run `command` until the cloud has carried out a request; the run is killed before it sees the answer.

    Returns:
        Whether there was such a request.
    """
    running = list[Run]()
    hit = list[str]()

    def lost(service: str, seen: str, where: str, status: int) -> bool:
        if hit or not running or seen != method or not where.endswith(path) or status >= 400:
            return bool(hit)
        hit.append(where)
        running[0].kill()
        return True

    with gateways(lost):
        command(lambda operation, run: running.append(run) if not running else None)
    return bool(hit)


def chain(
    command: Command,
    unlock: Callable[[], object],
    phase: str,
    names: Container[str] | None = None,
    disturb: Callable[[Run], None] = lambda run: run.kill(),
) -> Iterator[Operation]:
    """Run a command again and again, disturbed at the first operation at which it was not disturbed before.

    Args:
        command: runs `up` or `destroy`.
        unlock: makes the next run possible.
        phase: of the operations.
        names: of the resources at which the command is disturbed; None: all.
        disturb: ends the run.

    Yields:
        Each disturbed operation, after `unlock`.

    Raises:
        DisturbedError: a disturbed run succeeded, or the last run, which nothing disturbed, failed.
    """
    met = set[tuple[str, str]]()
    while True:
        hit = list[Operation]()

        def at(operation: Operation, run: Run, hit: list[Operation] = hit) -> None:
            new = (names is None or operation.name in names) and (operation.op, operation.name) not in met
            if not hit and operation.phase == phase and new:
                hit.append(operation)
                disturb(run)

        ended = command(at)
        if not hit:
            require(ended.status == 0, f"the last run of the chain failed:\n{ended.output[-6000:]}")
            return
        require(ended.status != 0, f"the run succeeded although it was disturbed at {hit[0]}")
        met.add((hit[0].op, hit[0].name))
        unlock()
        yield hit[0]


def kill_engine(command: Command, wanted: Operation) -> list[str]:
    """Kill the engine alone at an operation; return the command lines of its processes that do not end."""
    killed = list[int]()

    def at(operation: Operation, run: Run) -> None:
        if operation == wanted and not killed:
            killed.append(run.process.pid)
            run.kill_engine()

    command(at)
    require(bool(killed), f"{wanted} was not seen")
    until(lambda: not members(killed[0]), PATIENCE)
    left = members(killed[0])
    names = [Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode() for pid in left]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return names


def second_engine(rack: Rack, wanted: Operation) -> str:
    """Start another `up` and a `destroy` while an `up` stands still at an operation; return what they said.

    Raises:
        DisturbedError: one of them was not refused, or the first `up` failed.
    """
    said = list[Ended]()

    def meanwhile() -> None:
        said.extend((rack.project.up(*rack.arguments), rack.project.destroy()))

    first = rack.project.up(*rack.arguments, at=held_at(wanted, meanwhile))
    require(len(said) == 2, f"{wanted} was not seen")
    for other in said:
        refused = other.status != 0 and "the stack is currently locked" in other.output and not other.operations
        require(refused, f"a second engine was not refused by the lock:\n{other.output[-3000:]}")
    require(first.status == 0, f"the first `up` failed:\n{first.output[-6000:]}")
    return said[-1].output


def second_stack(rack: Rack, folder: Path) -> str:
    """Run `up` and `destroy` of another stack with a copy of the configuration; return what it said.

    Raises:
        DisturbedError: `up` was not refused, or the rack differs afterwards.
    """
    other = Project(folder, rack.project.file.read_text())
    said = other.up()
    require(said.status != 0, f"a second stack deployed a rack that another one owns:\n{said.output[-6000:]}")
    gone = other.destroy()
    require(gone.status == 0, f"the refused stack cannot be destroyed:\n{gone.output[-6000:]}")
    rack.check()
    unchanged = rack.project.up("--expect-no-changes")
    require(unchanged.status == 0, f"the first stack finds changes:\n{unchanged.output[-6000:]}")
    return said.output


def full_disk(project: Project, command: Command, wanted: Operation) -> Ended:
    """Run a command whose backend's disk is full from an operation on until it ends.

    Raises:
        DisturbedError: it did not fail.
    """
    with _small_disk(project.backend) as folder:
        ballast = folder / "ballast"

        def at(operation: Operation, run: Run) -> None:
            if operation == wanted:
                _fill(ballast)

        ended = command(at)
        require(ballast.exists(), f"{wanted} was not seen")
        ballast.unlink()
    require(ended.status != 0, "`up` succeeded without a disk for its state")
    return ended


FILL = """
set -e
exec >/dev/null 2>&1
cp -a /var /run/var.aside
mount -t tmpfs -o size=$(($(du -sk /var | cut -f1) + 1024))k tmpfs /var
cp -a /run/var.aside/. /var
rm -r /run/var.aside
dd if=/dev/zero of=/var/ballast bs=4k || true
"""
"""Script that shows the host's programs a full /var with the same files. The lab's own programs write to the disk."""


def full_host(host: str, command: Command, wanted: Operation) -> Ended:
    """Run a command during which the /var of a host is full from an operation on.

    Raises:
        DisturbedError: it did not fail, or did not say why.
    """
    filled = list[Operation]()

    def at(operation: Operation, run: Run) -> None:
        if operation == wanted and not filled:
            filled.append(operation)
            subprocess.run(machine(host).enter(["/bin/sh", "-c", FILL]), check=True)

    ended = command(at)
    require(bool(filled), f"{wanted} was not seen")
    subprocess.run(machine(host).enter(["umount", "--lazy", "/var"]), check=True)
    require(ended.status != 0, f"the run succeeded although the /var of {host} was full")
    named = "no space left in /var" in ended.output
    require(named, f"the run does not say that the /var of {host} was full:\n{ended.output[-6000:]}")
    return ended


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    """Mount a file system of 64 MiB in place of a folder, with its files; copy them back at the end."""
    aside = folder.with_name(f"{folder.name}.aside")
    shutil.copytree(folder, aside)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], check=True)
    try:
        shutil.copytree(aside, folder, dirs_exist_ok=True)
        yield folder
        shutil.rmtree(aside)
        shutil.copytree(folder, aside)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    shutil.rmtree(folder)
    aside.rename(folder)


def _fill(file: Path) -> None:
    """Write until the disk is full."""
    with file.open("wb", buffering=0) as stream, suppress(OSError):
        while stream.write(bytes(1 << 16)):
            pass
