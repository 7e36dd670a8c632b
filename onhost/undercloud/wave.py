"""One wave of overcloud nodes: adapter firmware, BIOS, ACS (H1 to H4, B1, B2). Run by stack with the overcloud's login.

The order comes as JSON on standard input. Progress goes to standard error; at the end, what each node holds and what
Linux cannot show go to standard output. The wave's nodes are worked on in parallel; a step starts when every node has
completed the step before.

It is idempotent and may be run again at any time: what differs is read from the adapters, and nova keeps which computes
were disabled by this program. A compute that was disabled for another reason stays disabled.
"""

import fcntl
import os
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, List

from onhost.undercloud.common import Fault, refuse, say
from onhost.undercloud.orders import WaveOrder
from onhost.undercloud.shell import Unreachable
from onhost.undercloud.wave_compute import Compute
from onhost.undercloud.wave_controller import Controller
from onhost.undercloud.wave_node import WaveNode

CHECK_LIST = {
    "compute": """\
Not visible from Linux; check the BIOS of each compute once (H4):
  [ ] boot order: PXE on the provisioning interface first, then the local disk
  [ ] SR-IOV, Above 4G Decoding and a memory-mapped I/O range for GPUs and VFs enabled
  [ ] ACS enabled, and ATS where the BIOS has a switch for it
  [ ] power profile: maximum performance; the adapter's and the GPU's slots at full width and PCIe generation
  [ ] power-on after a power failure: last state""",
    "controller": """\
Not visible from Linux; check the BIOS of each controller once (H4):
  [ ] boot order: PXE on the provisioning interface first, then the local disk
  [ ] power-on after a power failure: last state""",
}
KINDS = {"compute": Compute, "controller": Controller}


def each(nodes: List[Any], step: str) -> None:
    """Run one step on all nodes in parallel, each to its end.

    Raises:
        Fault: the step failed on a node. Its text has the faults of all nodes.
    """

    def fault_of(node: WaveNode) -> str:
        try:
            getattr(node, step)()
        except (Fault, Unreachable) as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(len(nodes)) as pool:
        faults = [fault for fault in pool.map(fault_of, nodes) if fault]
    refuse("this wave has stopped; nothing after it was started:", faults)


def drain(nodes: List[Any], waits: bool) -> None:
    """Drain all nodes or none: where one is refused, the others are put back into service unchanged.

    With `waits`, a compute that is being drained stays disabled, so that the next run continues.
    """
    try:
        each(nodes, "drain")
    except Fault:
        if not waits:
            each(nodes, "release")
        raise


def run(order: WaveOrder, folder: str) -> None:
    """Run the wave and print what its nodes hold. `folder` holds known_hosts and is the program's own.

    Raises:
        Fault: a node was refused, or is not as wanted afterwards.
    """
    nodes = [KINDS[order.kind](order, member, folder) for member in order.nodes]
    try:
        each(nodes, "inspect")
        drain(nodes, order.instances == "drain")
        each(nodes, "settle")
    finally:
        each(nodes, "close")
    for node in nodes:
        for line in node.report():
            print(line)
    if order.check_list:
        print(CHECK_LIST[order.kind])


def lock() -> None:
    """Return once no other run is at work on this undercloud, including a run that has lost its caller."""
    home = os.open(str(Path.home()), os.O_RDONLY)
    try:
        fcntl.flock(home, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("an earlier run is still at work; waiting until it ends")
        fcntl.flock(home, fcntl.LOCK_EX)


def main() -> int:
    """Run the wave that standard input orders and return the exit status."""
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


if __name__ == "__main__":
    sys.exit(main())
