"""Pulumi's command line, which reads and writes the state."""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from recovery.state import Resource, State
from review.preview import PreviewError, ask, parse

LOCKED = "currently locked by"
HOLDER = re.compile(r"created by \S+@(\S+) \(pid (\d+)\)")


class PulumiError(Exception):
    """A command of Pulumi failed. The text names the command and ends with Pulumi's own error."""


class Pulumi:
    """The command line for one stack."""

    def __init__(self, stack: str) -> None:
        self._stack = stack

    def export(self, *, show_secrets: bool = False) -> State:
        """Return the state. With `show_secrets` it contains every secret: keep it in memory."""
        words = ["stack", "export", *(["--show-secrets"] if show_secrets else [])]
        return State(json.loads(self._run(*words)))

    def planned(self) -> Sequence[Resource]:
        """Return the resources that an `up` would create now, with their inputs. Runs the program as a preview."""
        try:
            text, failed = ask(self._stack)
            errors = parse(text).errors
        except PreviewError as error:
            raise PulumiError(str(error)) from None
        if failed:
            raise PulumiError(f"pulumi preview: {'; '.join(errors) or 'it failed without an error'}")
        steps = json.loads(text)["steps"]
        return [Resource(step["newState"]) for step in steps if step["op"] == "create" and "newState" in step]

    def store(self, state: State) -> None:
        """Write the state. Pulumi drops all pending operations with it."""
        with tempfile.TemporaryDirectory(prefix="rack-recover-") as folder:
            file = Path(folder, "state.json")
            file.touch(mode=0o600)
            file.write_text(json.dumps(state.exported))
            self._run("stack", "import", "--file", str(file))

    def refresh(self, urns: Sequence[str]) -> None:
        """Read these resources from their providers, and remove from the state those that no longer exist."""
        targets = [word for urn in urns for word in ("--target", urn)]
        self._run("refresh", "--yes", "--skip-preview", "--suppress-progress", *targets)

    def dead_holders(self) -> list[int]:
        """Return the processes of this machine that held the stack's lock and have ended.

        Empty if there is no lock, if a process that holds one may be alive, and for a backend that is no folder.
        """
        url = urlsplit(str(json.loads(self._run("whoami", "--json", stack=False)).get("url", "")))
        if url.scheme != "file":
            return []
        folder = Path(f"{url.netloc}{url.path}").expanduser() / ".pulumi/locks"
        locks = [json.loads(file.read_text()) for file in folder.glob(f"*/*/{self._stack}/*.json")]
        dead = [int(lock["pid"]) for lock in locks if lock["hostname"] == socket.gethostname()]
        return [] if len(dead) < len(locks) or any(map(_runs, dead)) else dead

    def claim(self, state: State) -> None:
        """Remove the lock of a killed process.

        Raises:
            PulumiError: a process that is alive works on the stack, or one on another machine.
        """
        if self.dead_holders():
            self._run("cancel", "--yes")
        root = next((r.urn for r in state.resources if r.type == "pulumi:pulumi:Stack"), None)
        if root is None:
            return
        try:
            self.refresh([root])
        except PulumiError as error:
            if LOCKED not in str(error) or not _all_dead(str(error)):
                raise
            self._run("cancel", "--yes")
            self.refresh([root])

    def _run(self, *arguments: str, stack: bool = True) -> str:
        """Run the command, for the stack if `stack`, and return its standard output."""
        program = shutil.which("pulumi")
        if program is None:
            raise PulumiError("no program pulumi on the PATH")
        at = ["--stack", self._stack] if stack else []
        words = [program, *arguments, *at, "--non-interactive", "--color", "never"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
        if done.returncode:
            said = _error(done.stderr) or _error(done.stdout) or f"exit status {done.returncode}"
            raise PulumiError(f"pulumi {' '.join(arguments[:2])}: {said}")
        return done.stdout


def _error(output: str) -> str:
    """Return the first paragraph of Pulumi's error: a stack trace may follow."""
    return output[output.index("error:") :].partition("\n\n")[0].strip() if "error:" in output else ""


def _all_dead(error: str) -> bool:
    """Tell whether all locks that Pulumi's error lists are of processes of this machine that no longer run."""
    holders = HOLDER.findall(error)
    return bool(holders) and all(host == socket.gethostname() and not _runs(int(pid)) for host, pid in holders)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
