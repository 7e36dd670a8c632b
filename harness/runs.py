"""The engine as a user runs it, in a project of its own, killed or interrupted at chosen events.

The engine writes its events into a pipe (`--event-log`), so a run reacts to an event when the engine has sent it:
nothing depends on how fast the machine is. `resourcePreEvent` precedes the provider's call of an operation,
`resOutputsEvent` follows it.
"""

import json
import os
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from engine.build import NO_SIDECARS, environment
from lab.process import until

PROJECT = Path(__file__).resolve().parents[1]
CHANGING = ("create", "update", "delete", "replace", "create-replacement", "delete-replaced")
"""Operations that change something, in the engine's words."""
WITH_EVENTS = ("up", "destroy", "preview", "refresh")
LOOK_SECONDS = 0.2
DRAIN = 30
"""Seconds to read output of a killed engine whose children have not ended yet."""
LIMIT = 1500
"""Seconds after which a run is killed: it hangs."""


class Operation(NamedTuple):
    """An operation of the engine on one resource."""

    phase: str
    """`pre` or `outputs`: before or after the provider's call."""
    op: str
    """create, update, delete, …"""
    name: str
    """Name of the resource."""
    type: str

    def __str__(self) -> str:
        return f"{self.phase} {self.op} {self.name}"


@dataclass
class Ended:
    """A run that has ended."""

    status: int
    """Exit status; negative: the signal that ended it."""
    output: str
    """Standard output and standard error."""
    operations: list[Operation]
    """In the order of the events."""


class Run:
    """A running `pulumi`; it and everything that it starts are in a session of their own."""

    def __init__(self, process: "subprocess.Popen[str]", events: int) -> None:
        self.process, self._events = process, events
        self.seen = b""
        """The text of all events so far."""
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as stream:
            self._lines.extend(stream)

    @property
    def output(self) -> str:
        """All output so far."""
        return "".join(self._lines)

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Yield the engine's events until it ends."""
        rest = b""
        while True:
            ended = self.process.poll() is not None
            ready, _, _ = select.select([self._events], [], [], 0 if ended else LOOK_SECONDS)
            if ready:
                text = os.read(self._events, 1 << 20)
                self.seen += text
                *lines, rest = (rest + text).split(b"\n")
                yield from (json.loads(line) for line in lines if line)
            elif ended:
                return

    def kill(self) -> None:
        """Kill the engine and all its children, as the end of a machine would."""
        for pid in members(self.process.pid):
            _send(pid, signal.SIGKILL)

    def kill_engine(self) -> None:
        """Kill the engine alone."""
        _send(self.process.pid, signal.SIGKILL)

    def interrupt(self) -> None:
        """Send what Ctrl-C sends: SIGINT to the engine's process group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def wait(self, seconds: float = 600) -> None:
        """Wait until the engine has ended, and close its streams."""
        self.process.wait(seconds)
        self._reader.join(DRAIN)
        os.close(self._events)


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def members(session: int) -> list[int]:
    """Return the processes of a session, without zombies."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


At = Callable[[Operation, Run], None]
"""Called at each event of a changing operation."""


class Project:
    """A copy of the project: the program by links, with a stack file, a backend and plug-in settings of its own."""

    def __init__(self, folder: Path, stack_file: str, name: str = "dev", **env: str) -> None:
        """Create the folder and the stack `name` in it.

        Args:
            folder: of the project; must not exist.
            stack_file: text of Pulumi.NAME.yaml.
            name: of the stack.
            env: additional variables.
        """
        self.folder, self.name = folder, name
        self.file = folder / f"Pulumi.{name}.yaml"
        self.backend = folder / "state"
        self.backend.mkdir(parents=True)
        for entry in (*PROJECT.glob("[!.]*"), PROJECT / ".venv", PROJECT / ".lab"):
            if not entry.match("Pulumi.*.yaml"):
                (folder / entry.name).symlink_to(entry)
        self.file.write_text(stack_file)
        self.log = ""
        """All output of all runs."""
        self.events = b""
        """All events of all runs."""
        self.env = {
            **os.environ,
            **environment(),
            "PULUMI_BACKEND_URL": f"{self.backend.as_uri()}?{NO_SIDECARS}",
            "PULUMI_CONFIG_PASSPHRASE": "lab",
            "PULUMI_SKIP_CONFIRMATIONS": "true",
            "PULUMI_DEBUG_COMMANDS": "true",
            **env,
        }
        self.pulumi("stack", "init", name, "--secrets-provider", "passphrase")

    def start(self, *arguments: str) -> Run:
        """Start `pulumi ARGUMENTS` with an event log."""
        pipe = self.folder / "events"
        pipe.unlink(missing_ok=True)
        os.mkfifo(pipe)
        events = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
        words = ["pulumi", "--non-interactive", "--color", "never", *arguments]
        words += ["--event-log", str(pipe)] if arguments[0] in WITH_EVENTS else []
        process = subprocess.Popen(
            words,
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        return Run(process, events)

    def run(self, *arguments: str, at: At | None = None, each: Callable[[], None] | None = None) -> Ended:
        """Run `pulumi ARGUMENTS` to its end.

        Args:
            arguments: of the command line.
            at: called at each operation that changes something; may kill or interrupt the run.
            each: called at each event of the engine.
        """
        run, operations = self.start(*arguments), list[Operation]()
        limit = threading.Timer(LIMIT, run.kill)
        limit.start()
        for event in run.events():
            operation = _operation(event)
            if operation:
                operations.append(operation)
                if at:
                    at(operation, run)  # first: the operation goes on meanwhile
            if each:
                each()
        run.wait()
        limit.cancel()
        self.log += run.output
        self.events += run.seen
        return Ended(run.process.returncode, run.output, operations)

    def pulumi(self, *arguments: str, fails: bool = False) -> str:
        """Run `pulumi ARGUMENTS` and return its output; check that it succeeds, or fails."""
        ended = self.run(*arguments)
        assert (ended.status != 0) is fails, ended.output[-8000:]
        return ended.output

    def up(self, *arguments: str, at: At | None = None, each: Callable[[], None] | None = None) -> Ended:
        """Run `up`."""
        return self.run("up", "--yes", "--skip-preview", *arguments, at=at, each=each)

    def destroy(self, *arguments: str, at: At | None = None, each: Callable[[], None] | None = None) -> Ended:
        """Run `destroy`."""
        return self.run("destroy", "--yes", "--skip-preview", "--refresh=false", *arguments, at=at, each=each)

    def configure(self, name: str, secret: str) -> None:
        """Set a secret of the configuration; it travels by standard input."""
        words = ["pulumi", "config", "set", "--secret", f"rack:{name}"]
        subprocess.run(words, cwd=self.folder, env=self.env, input=secret, text=True, capture_output=True, check=True)

    def state(self, *options: str) -> dict[str, Any]:
        """Return the exported state. `options` of `pulumi stack export`, e.g. `--show-secrets`."""
        done = subprocess.run(
            ["pulumi", "stack", "export", *options], cwd=self.folder, env=self.env, capture_output=True, check=True
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def pending(self) -> list[str]:
        """Return the operations of which the state does not know whether they happened."""
        deployment = self.state()["deployment"]
        return [f"{found['type']} {found['resource']['urn']}" for found in deployment.get("pending_operations") or []]


def _operation(event: Mapping[str, Any]) -> Operation | None:
    for phase, key in (("pre", "resourcePreEvent"), ("outputs", "resOutputsEvent")):
        if key in event:
            about = event[key]["metadata"]
            if about["op"] in CHANGING:
                return Operation(phase, about["op"], about["urn"].rpartition("::")[2], about["type"])
    return None


def ends(session: int, seconds: float = 30) -> bool:
    """Return whether all processes of a session end within `seconds`."""
    return until(lambda: not members(session), seconds)
