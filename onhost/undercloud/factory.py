"""Adapters of new nodes, set before the first deployment of the nodes (H1 to H3). Run by stack on the undercloud.

The network configuration of a deployment creates the VFs (O2), so the adapters must offer them by then. Between
provisioning and deployment, a node has an operating system and no services, so its adapter can be set and the node can
be rebooted at any time. A node that runs services is never changed or rebooted here; `wave.py` does that, node by node.

The order is that of `wave.py`, for all nodes of a role. It is idempotent and may be run again at any time.
"""

import sys
from typing import Iterator, List

from onhost.undercloud.adapter import kept_vfs, lacking_vfs, lacking_virtualization
from onhost.undercloud.orders import WaveMember, WaveOrder
from onhost.undercloud.wave_node import WaveNode
from onhost.undercloud.wave_run import carry_out, each, reported

CONTAINERS = "if command -v podman >/dev/null; then podman ps -aq; fi"
"""Prints something on a node that a deployment has reached, even if it failed there."""


class NewNode(WaveNode):
    """A node that may be new. A deployed node is only inspected."""

    def __init__(self, order: WaveOrder, member: WaveMember, folder: str) -> None:
        """Prepare the connection; nothing is sent."""
        super().__init__(order, member, folder)
        self._deployed = False

    def inspect(self) -> None:
        """Read firmware and BIOS and change nothing.

        Raises:
            Fault: a new node has a fault that a reboot does not fix, or a deployed one has other VFs.
        """
        self._read()
        self._deployed = bool(self._shell.run(CONTAINERS).strip())
        self._refuse(kept_vfs(self._pending(), self._shown) if self._deployed else self._faults())

    def settle(self) -> None:
        """Set the adapter of a new node, and check the result.

        Raises:
            Fault: the node is not as wanted afterwards.
        """
        if not self._deployed:
            super().settle()

    def report(self) -> Iterator[str]:
        """Return the node's values, one per line."""
        if self._deployed:
            yield f"{self.name}: is deployed, unchanged"
        else:
            yield from super().report()

    def _unhealthy(self) -> List[str]:
        """Return nothing: a new node has no services."""
        return []

    def _bios_faults(self) -> Iterator[str]:
        yield from super()._bios_faults()
        if self._order.kind == "compute":
            yield from lacking_virtualization(self.facts)

    def _settled_faults(self) -> Iterator[str]:
        """Return what is wrong after all changes."""
        return lacking_vfs(self.facts, self._wanted)


def run(order: WaveOrder, folder: str) -> None:
    """Set the adapters and print the values of the nodes. `folder` holds known_hosts and is the program's own.

    Raises:
        Fault: a node was refused, or is not as wanted afterwards.
    """
    nodes = [NewNode(order, member, folder) for member in order.nodes]
    with reported(nodes):
        each(nodes, "inspect")
        each(nodes, "settle")


def main() -> int:
    """Set the adapters of the nodes that standard input orders and return the exit status."""
    return carry_out(run)


if __name__ == "__main__":
    sys.exit(main())
