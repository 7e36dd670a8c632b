"""Shared by the programs that work on groups of nodes: parallel steps, one run at a time, order and exit status."""

import fcntl
import os
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator, List

from onhost.undercloud.common import Fault, refuse, say
from onhost.undercloud.orders import WaveOrder
from onhost.undercloud.shell import Unreachable

AT_ONCE = 64
"""Nodes that are worked on in parallel, each with an SSH connection."""


def each(nodes: List[Any], step: str) -> None:
    """Run one step on all nodes in parallel, each to its end.

    Raises:
        Fault: the step failed on a node. Its text has the faults of all nodes.
    """

    def fault_of(node: Any) -> str:
        try:
            getattr(node, step)()
        except (Fault, Unreachable) as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(min(len(nodes), AT_ONCE)) as pool:
        faults = [fault for fault in pool.map(fault_of, nodes) if fault]
    refuse("this wave has stopped; nothing after it was started:", faults)


@contextmanager
def reported(nodes: List[Any]) -> Iterator[None]:
    """Close the connections to the nodes at the end, then print each node's values, unless a step has failed."""
    try:
        yield
    finally:
        each(nodes, "close")
    for node in nodes:
        for line in node.report():
            print(line)


def lock() -> None:
    """Return once no other run is active on this undercloud, including a run whose caller has ended."""
    home = os.open(str(Path.home()), os.O_RDONLY)
    try:
        fcntl.flock(home, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("an earlier run is still active; waiting until it ends")
        fcntl.flock(home, fcntl.LOCK_EX)


def carry_out(run: Callable[[WaveOrder, str], None]) -> int:
    """Run what standard input orders and return the exit status.

    `run` is given the order and a folder of its own, which holds the nodes' host keys.
    """
    order = WaveOrder.decode(sys.stdin.read())
    lock()
    folder = tempfile.mkdtemp()
    try:
        Path(folder, "known_hosts").write_text("".join(f"{line}\n" for line in order.host_keys))
        run(order, folder)
    except Fault as fault:
        say(str(fault))
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # ssh removes its socket at the same time
    return 0
