"""Deploys the guide's rack on the lab and destroys it, again and again: duration, memory, what is left.

A leftover is whatever the rack has after `destroy` and did not have before, object by object
(`harness/snapshot.py`), a process that the run started, a file in its temporary directory, or a file of the backend
other than checkpoints, history and backups. The first round starts on factory-new hosts: its leftovers are what
`destroy` keeps, such as packages and the undercloud's installation. Later rounds are compared with the first.
"""

import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness import snapshot
from harness.runs import PROJECT, Ended, Project, members
from lab.__main__ import start, stop
from lab.assembly import services
from lab.process import until

ROUNDS = 20
INTERVAL = 1
"""Seconds between two looks at the processes. VmHWM is a peak, so none is missed but of the last second."""
STACK = PROJECT / "Pulumi.dev.yaml"

ROLES = {
    "engine": r"pulumi",
    "program": r"python.*pulumi-language-python-exec",
    "openstack": r"pulumi-resource-openstack",
    "command": r"pulumi-resource-command",
    "UFM": r"python.*providers.ufm",
}
"""Process of a run → regular expression for its command line; folders of programs are left out."""


@dataclass
class Round:
    """One `up` and one `destroy`."""

    up: float = 0
    destroy: float = 0
    """Seconds."""
    memory: dict[str, int] = field(default_factory=dict)
    """Role → peak of the resident set in MiB (VmHWM)."""
    state: int = 0
    """Size of the backend after `destroy` in KiB."""
    leftovers: list[str] = field(default_factory=list)


def measure(rounds: int = ROUNDS) -> Iterator[list[Round]]:
    """Start the lab, deploy and destroy `rounds` times, and stop the lab. Yield the rounds so far after each one.

    Raises:
        LabError: the lab does not start.
        SystemExit: a run failed; the text ends with its output.
    """
    lab = services(STACK)
    start(lab)
    try:
        with tempfile.TemporaryDirectory() as folder:
            done = list[Round]()
            for one in _rounds(Path(folder), rounds):
                done.append(one)
                yield done
    finally:
        stop(lab)


def _rounds(folder: Path, rounds: int) -> Iterator[Round]:
    temporary = folder / "tmp"
    temporary.mkdir()
    project = Project(folder / "project", STACK.read_text(), TMPDIR=str(temporary))
    before = snapshot.take()
    for number in range(rounds):
        done = Round()
        done.up = _timed(project.up, done)
        done.destroy = _timed(project.destroy, done)
        done.state = sum(file.stat().st_size for file in project.backend.rglob("*") if file.is_file()) // 1024
        after = snapshot.take()
        done.leftovers += snapshot.difference(before, after)
        before = before if number else after
        done.leftovers += [*_files(temporary), *_backend(project.backend)]
        yield done


def _timed(command: Callable[..., Ended], done: Round) -> float:
    """Run a command, note the memory of its processes, and return its wall time."""
    sessions, begin, looked = set[int](), time.monotonic(), [0.0]

    def look() -> None:
        if time.monotonic() > looked[0] + INTERVAL:
            sessions.update(_note(done.memory))
            looked[0] = time.monotonic()

    ended = command(each=look)
    seconds = time.monotonic() - begin
    if ended.status:
        raise SystemExit(f"the run failed:\n{ended.output[-4000:]}")
    for session in sessions:
        until(lambda session=session: not members(session), 30)  # type: ignore[misc]
        done.leftovers += [f"process {pid}" for pid in members(session)]
    return seconds


def _note(memory: dict[str, int]) -> Iterator[int]:
    """Raise the peaks of the running processes' roles; yield the engine's session."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if f"{PROJECT}/.engine".encode() not in (process / "environ").read_bytes():
                continue
            status = (process / "status").read_text()
        except OSError:
            continue  # it has ended
        command = " ".join(word.decode(errors="replace").removeprefix(f"{PROJECT}/") for word in words)
        program = re.sub(r"^\S*/", "", command)
        role = next((role for role, pattern in ROLES.items() if re.match(pattern + r"\b(?!-)", program)), "")
        peak = re.search(r"VmHWM:\s+(\d+)", status)
        if role and peak:
            memory[role] = max(memory.get(role, 0), int(peak[1]) // 1024)
        if role == "engine":
            yield int(process.name)


def _files(folder: Path) -> list[str]:
    return [f"temporary file {path.relative_to(folder)}" for path in sorted(folder.rglob("*"))]


def _backend(folder: Path) -> list[str]:
    """Return the files of a backend that no other run uses."""
    kept = re.compile(r"\.pulumi/(meta\.yaml|(stacks|history|backups)/.*\.(json|json\.bak|gz))")
    names = [str(file.relative_to(folder)) for file in sorted(folder.rglob("*")) if file.is_file()]
    return [f"backend file {name}" for name in names if not kept.fullmatch(name)]


def rows(rounds: Sequence[Round]) -> list[tuple[str, ...]]:
    """Return the rows of the table."""
    return [
        (str(number), f"{r.up:.0f}", f"{r.destroy:.0f}", *(str(r.memory.get(role, "-")) for role in ROLES),
         str(r.state), str(len(r.leftovers)))
        for number, r in enumerate(rounds, 1)
    ]  # fmt: skip


def left(rounds: Sequence[Round]) -> Iterator[tuple[int, str]]:
    """Yield the number of each round that left something over, and a list in Markdown.

    Values are left out: one of them is the password of the lab's cloud.
    """
    for number, done in enumerate(rounds, 1):
        lines = [re.sub(r"^(differs: .*?):( .*|$)", r"\1", line)[:100] for line in done.leftovers if line[:1] != " "]
        if lines:
            yield number, "".join(f"- `{line}`\n" for line in lines)


HEAD = ("round", "up, s", "destroy, s", *(f"{role}, MiB" for role in ROLES), "state, KiB", "left over")
