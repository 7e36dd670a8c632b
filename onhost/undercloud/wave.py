"""One wave of overcloud nodes: adapter firmware, BIOS, ACS (H1 to H4, B1, B2). Run by stack on the undercloud.

The order comes as JSON on standard input. Progress goes to standard error; at the end, the values of each node and a
check list for its BIOS go to standard output. The nodes of a wave are processed in parallel; a step starts when every
node has completed the previous step.

It is idempotent and may be run again at any time: it reads the current values from the adapters, and nova stores which
computes this program has disabled. A compute that was disabled for another reason stays disabled.
"""

import sys
from typing import Any, List

from onhost.undercloud.common import Fault
from onhost.undercloud.orders import WaveOrder
from onhost.undercloud.wave_compute import Compute
from onhost.undercloud.wave_controller import Controller
from onhost.undercloud.wave_run import carry_out, each, reported

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


def drain(nodes: List[Any], waits: bool) -> None:
    """Drain all nodes or none: if one is refused, the others are put back into service unchanged.

    With `waits`, a compute that is being drained stays disabled, so that the next run continues.
    """
    try:
        each(nodes, "drain")
    except Fault:
        if not waits:
            each(nodes, "release")
        raise


def run(order: WaveOrder, folder: str) -> None:
    """Run the wave and print the values of its nodes. `folder` holds known_hosts and is the program's own.

    Raises:
        Fault: a node was refused, or is not as wanted afterwards.
    """
    nodes = [KINDS[order.kind](order, member, folder) for member in order.nodes]
    with reported(nodes):
        each(nodes, "inspect")
        drain(nodes, order.instances == "drain")
        each(nodes, "settle")
    if order.check_list:
        print(CHECK_LIST[order.kind])


def main() -> int:
    """Run the wave that standard input orders and return the exit status."""
    return carry_out(run)


if __name__ == "__main__":
    sys.exit(main())
