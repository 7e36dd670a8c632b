"""One connection per host, over the way that the steps of `up` take. The program that runs there is not stored."""

import json
import shlex
import subprocess
from collections.abc import Mapping
from typing import Any

from doctor.ssh import ProbedHost, SshError, reason
from onhost import shipping
from onhost.drift.cloud import LOADER, PYTHON, with_program
from onhost.drift.orders import LookOrder
from onhost.undercloud.orders import encode

SECONDS = 300
"""Limit of one connection: a node that does not answer takes seconds, a client of OpenStack a few more."""


def look(host: ProbedHost, order: LookOrder) -> Mapping[str, Any]:
    """Return what `onhost/drift/look.py` sees on a host.

    Raises:
        SshError: the host cannot be entered, or the program does not end well.
    """
    root = "" if host.ssh.user == "root" else "sudo -n "
    command = [*host.argv(), f"{root}{PYTHON} -c {shlex.quote(LOADER)}"]
    given = with_program(shipping.program("drift.look"), encode(order))
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise SshError(f"no end after {SECONDS} s") from None
    if done.returncode:
        raise SshError(reason(done.stderr))
    try:
        facts: Mapping[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise SshError("its shell prints text before a command's output") from None
    return facts
