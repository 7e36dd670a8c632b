"""One connection per host, over the way that the steps of `up` take. The program that runs there is not stored."""

import shlex
from collections.abc import Mapping
from typing import Any

from doctor.ssh import ProbedHost
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
    given = with_program(shipping.program("drift.look"), encode(order))
    return host.run(f"{root}{PYTHON} -c {shlex.quote(LOADER)}", given, SECONDS)
