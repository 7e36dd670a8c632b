"""`nodes.py introspect`: introspect new nodes, check their ports in the fabric, make them available (I1, I2, O2).

A node is introspected when it is new, and again while UFM has not shown its port. A run may be repeated at any time.
"""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import List

from onhost.undercloud.baremetal import DEPLOYED, NEW, READY, Node, infiniband, refuse_nodes, registered, stuck
from onhost.undercloud.client import openstack
from onhost.undercloud.common import Fault, Unavailable, Wait, growing, refuse, say, some
from onhost.undercloud.orders import IntrospectOrder
from onhost.undercloud.ports import PortRecord, Ports
from onhost.undercloud.ufm import Ufm

READERS = 8
"""Nodes whose introspection data are fetched in parallel."""
INTROSPECT_ADVICE = """
For a port that was not seen: is its cable in, is its switch port up, does its node boot by PXE, is LINK_TYPE_P1 IB?
A deployed node must be powered on: openstack baremetal node power on NODE"""


class Introspection:
    """One run of `nodes.py introspect`."""

    def __init__(self, order: IntrospectOrder) -> None:
        """Read the record of earlier runs; nothing is sent."""
        self._ufm = Ufm(order.ufm)
        self._record = PortRecord(order.record)
        self._ports = Ports(self._record, order.nodes, order.interface)
        self._names = list(order.nodes)
        self._boot_mode, self._repeats = order.boot_mode, order.repeats
        self._wait = Wait(order.limit, order.pauses, INTROSPECT_ADVICE)
        self._nodes: List[Node] = []

    def run(self) -> None:
        """Introspect, check and provide the nodes, then print node to its interface and GUID as JSON.

        Raises:
            Fault: a node is not introspected, needs an operator, or differs from the configuration; or its port is not
                in the fabric at the time limit.
        """
        self._introspect_all()
        self._wait.until(self._unseen)
        self._provide()
        ports = {node.name: self._ports.wired(node) for node in self._nodes}
        found = {name: {"interface": port.interface, "guid": port.guid} for name, port in ports.items() if port}
        print(json.dumps(found, sort_keys=True, indent=1))

    # -- what the nodes and UFM show

    def _look(self) -> List[str]:
        """Record which ports are active, and return no line: nothing is missing."""
        self._ports.look(self._ufm.active())
        return []

    def _unseen(self) -> List[str]:
        self._look()
        return [text for _, text in self._ports.unseen(self._nodes)]

    def _unsettled(self) -> List[str]:
        """Read the nodes and return those whose state is about to change.

        Raises:
            Fault: a node is not registered, or is in a state that an operator must end.
        """
        known = registered()
        self._nodes = [known[name] for name in self._names if name in known]
        absent = [f"{n} is not registered; openstack overcloud node import" for n in self._names if n not in known]
        refuse_nodes([*absent, *(text for node in self._nodes for text in stuck(node))])
        return [f"{n.name} is {n.state}" for n in self._nodes if n.state not in (NEW, READY, DEPLOYED)]

    def _settle(self) -> None:
        """Wait until the nodes are at rest, then read their data and compare them with the configuration.

        Raises:
            Fault: a node differs from the configuration.
        """
        self._wait.until(self._look)
        self._wait.until(self._unsettled)
        self._read_ports()
        self._wait.until(self._look)
        differences = [text for node in self._nodes for text in self._ports.differences(node)]
        refuse("ports of the configuration and of introspection differ:", differences)

    def _read_ports(self) -> None:
        unread = self._ports.unread(self._nodes)
        with ThreadPoolExecutor(READERS) as pool:
            found = list(pool.map(infiniband, unread))
        if unread:
            self._record.ports.update({node.uuid: ports for node, ports in zip(unread, found) if ports is not None})
            self._record.save()

    # -- introspection (I1, I2)

    def _introspect_all(self) -> None:
        for attempt in range(1 + self._repeats):
            self._settle()
            due = self._due()
            if not due or self._wait.expired():
                break
            self._introspect(due, attempt)
        self._settle()
        failed = [n.name for n in self._nodes if n.state == NEW and n.uuid not in self._record.introspected]
        if failed:
            raise Fault(
                f"not introspected: {', '.join(failed)}; see openstack baremetal introspection status {failed[0]}"
            )

    def _due(self) -> List[Node]:
        """Return new nodes, and nodes with an unseen port. A deployed node is never introspected."""
        unseen = {node.uuid for node, _ in self._ports.unseen(self._nodes)}
        return [
            node
            for node in self._nodes
            if (node.state in (NEW, READY) and node.uuid in unseen)
            or (node.state == NEW and node.uuid not in self._record.introspected)
        ]

    def _introspect(self, due: List[Node], attempt: int) -> None:
        """Introspect these nodes by UUID: `--all-manageable` would include nodes that are not the configuration's."""
        again = f", again ({attempt} of {self._repeats}), because UFM has not shown all their ports" if attempt else ""
        say(f"introspecting {some([n.name for n in due])}{again}")
        for node in due:
            if node.state == READY:
                openstack("baremetal", "node", "manage", node.uuid, shown=True)
        uuids = [n.uuid for n in due]
        self._record.forget(uuids)
        command = ("openstack", "overcloud", "node", "introspect", *uuids)
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr) as child:
            self._watch(child)
        if child.returncode == 0:
            self._record.introspected.update(uuids)
            self._record.save()

    def _watch(self, child: "subprocess.Popen[bytes]") -> None:
        """Poll the ports while the agent runs: UFM stops listing them when introspection powers the node off."""
        pauses = growing(self._wait.pauses)
        while child.poll() is None:
            try:
                self._wait.progress(f"introspection runs; {some(self._unseen()) or 'all ports were seen'}")
            except Unavailable as error:
                self._wait.progress(f"introspection runs; {error}")
            try:
                child.wait(next(pauses))
            except subprocess.TimeoutExpired:
                continue

    def _provide(self) -> None:
        self._wait.until(self._unsettled)
        uuids = [n.uuid for n in self._nodes if n.state == NEW]
        if uuids:
            boot_mode = ("--boot-mode", "bios") if self._boot_mode == "bios" else ()
            boot = ("--instance-boot-option", "local", "--root-device", "largest", *boot_mode)
            openstack("overcloud", "node", "configure", *boot, *uuids, shown=True)
            openstack("overcloud", "node", "provide", *uuids, shown=True)
