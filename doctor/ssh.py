"""Hosts over the system's ssh, with the keys and users that `up` uses. Host keys are always verified."""

import json
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from access import ssh_client
from onhost import shipping
from onhost.questions import Question, encode_questions
from rack.site import Ssh

SECONDS = 50
"""Limit of one connection, including what runs there."""
PYTHON = "$(command -v python3 || echo /usr/libexec/platform-python)"
"""A fresh CentOS Stream 8 may have no python3; dnf itself runs with the platform's Python."""


QUIET = (
    "-F", "none", "-T", "-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR", "-o", "GlobalKnownHostsFile=none",
)  # fmt: skip
"""Options of ssh: no configuration of the user, no banners, the site's known_hosts file alone."""


class SshError(Exception):
    """A host cannot be entered, or the probe did not run there. The text is ssh's reason."""


@dataclass(frozen=True)
class ProbedHost:
    """A host that the operator's machine enters."""

    name: str
    address: str
    ssh: Ssh

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"

    def probe(self, questions: Sequence[Question]) -> Mapping[str, Any]:
        """Return the answers of `onhost/probe.py` on the host. Secrets in the questions travel by standard input.

        Raises:
            SshError: see the class.
        """
        program = f"{PYTHON} -c {shlex.quote(shipping.program('probe'))}"
        return self.run(program, encode_questions(questions), SECONDS)

    def run(self, command: str, given: str, seconds: float) -> Mapping[str, Any]:
        """Run a command on the host and return the JSON that it prints.

        Args:
            command: for the shell of the host.
            given: its standard input.
            seconds: the limit of the connection.

        Raises:
            SshError: the host cannot be entered, or the command does not end well.
        """
        words = [*self.argv(), command]
        try:
            done = subprocess.run(words, input=given, capture_output=True, text=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            raise SshError(f"no end after {seconds:g} s") from None
        if done.returncode:
            raise SshError(_reason(done.stderr))
        try:
            answers: Mapping[str, Any] = json.loads(done.stdout)
        except ValueError:
            raise SshError("its shell prints text before a command's output") from None
        return answers

    def argv(self) -> list[str]:
        """Return the ssh command line without the remote command."""
        options = ssh_client.options(self.ssh, *QUIET, only_this_key=True)
        return ["ssh", *shlex.split(options), f"{self.ssh.user}@{self.address}"]


def _reason(text: str) -> str:
    """Return the line of ssh's standard error that says why it failed."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("@")]
    told = [line for line in lines if "fail" in line.lower() or "denied" in line.lower() or "refused" in line.lower()]
    return (told or lines or ["ssh gives no reason"])[-1]
