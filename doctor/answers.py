"""The answers of the probe on a host, and the finding where a host cannot be entered."""

import shlex
from collections.abc import Mapping
from typing import Any

from doctor.finding import Finding, error
from doctor.ssh import ProbedHost, SshError

Answers = Mapping[str, Any]
"""By the question's ID."""


def not_entered(host: ProbedHost, problem: SshError, step: str) -> Finding:
    """Return the finding that SSH fails, with the command that has to work."""
    fix = f"make this work: {shlex.join([*host.argv(), 'true'])}"
    return error(str(host), f"SSH as {host.ssh.user} fails: {problem}", fix, step)
