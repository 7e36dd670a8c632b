"""The nodes' InfiniBand ports: those of the configuration, those that introspection found, those seen in the fabric."""

from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from onhost.undercloud.baremetal import DEPLOYED, NEW, Node
from onhost.undercloud.common import read_record, say, write_record


class Port(NamedTuple):
    """A port of a node."""

    interface: str
    guid: str


class PortRecord:
    """What runs of `nodes.py introspect` have done and seen, kept in a file for later runs.

    Nodes are keyed by ironic's UUID: a node that is deleted and imported again is a new one. The record is needed
    because UFM does not list the port of a node that is powered off.
    """

    def __init__(self, path: str) -> None:
        """Read the record of an earlier run, if there is one."""
        self._file = Path(path)
        known = read_record(self._file)
        self.introspected: Set[str] = set(known.get("introspected", ()))
        """UUIDs of nodes whose introspection succeeded."""
        self.seen: Set[str] = set(known.get("seen", ()))
        """GUIDs of ports that were active."""
        self.ports: Dict[str, Dict[str, str]] = known.get("ports", {})
        """UUID to the node's InfiniBand interfaces and their GUIDs, as introspection found them."""

    def save(self) -> None:
        """Write the record."""
        known = {"introspected": sorted(self.introspected), "seen": sorted(self.seen), "ports": self.ports}
        write_record(self._file, known)

    def forget(self, uuids: Sequence[str]) -> None:
        """Drop what introspection found of nodes that are introspected again."""
        self.introspected.difference_update(uuids)
        for uuid in uuids:
            self.ports.pop(uuid, None)
        self.save()


class Ports:
    """Which port of each node is wired, and whether it was seen in the fabric."""

    def __init__(self, record: PortRecord, guids: Dict[str, Optional[str]], interface: Optional[str]) -> None:
        """Compare with the configuration: `guids` by node name and `interface`, each None where it is to be found."""
        self.record, self._guids, self._interface = record, guids, interface
        self._others: Optional[Set[str]] = None
        """Ports that were active before anything was introspected; they may belong to other hosts."""
        self._active: Set[str] = set()
        """Ports that were active at the last poll."""

    # -- seen in the fabric (I2)

    def look(self, active: Dict[str, str]) -> None:
        """Record the active ports of our nodes. `active`: GUID to UFM's name of the host.

        A port that becomes active while our nodes are introspected counts as ours.
        """
        self._active = set(active)
        self._others = self._active if self._others is None else self._others
        ours = {guid: name for name, guid in self._guids.items() if guid}
        for found in self.record.ports.values():
            ours.update({guid: active[guid] for guid in found.values() if guid in active and guid not in ours})
        new = [g for g in active if (g in ours or g not in self._others) and g not in self.record.seen]
        for guid in new:
            say(f"{ours.get(guid, active[guid])} ({guid}) is in the fabric")
        if new:
            self.record.seen.update(new)
            self.record.save()

    def unseen(self, nodes: Sequence[Node]) -> Iterator[Tuple[Node, str]]:
        """Return the nodes whose wired port was not seen in the fabric, each with a line that says so."""
        for node in nodes:
            port = self.wired(node)
            if port is None:
                yield node, f"{node.name}: none of its ports was seen in the fabric"
            elif port.guid not in self.record.seen:
                text = f"{node.name}/{port.interface} ({port.guid}) was not seen in the fabric"
                yield node, text + self._instead(node, port.guid)

    def _instead(self, node: Node, guid: str) -> str:
        found = self.record.ports.get(node.uuid, {})
        others = [f"{i} ({g})" for i, g in sorted(found.items()) if g != guid and g in self.record.seen]
        return f", but its {', '.join(others)} was: is the cable in the other port?" if others else ""

    # -- configuration and introspection (O2)

    def wired(self, node: Node) -> Optional[Port]:
        """Return the wired port of a node; None while it is not known."""
        found, wanted = self.record.ports.get(node.uuid, {}), self._guids[node.name]
        if wanted:
            named = (Port(i, g) for i, g in found.items() if g == wanted)
            return next(named, Port(self._interface or "its port", wanted))
        seen = [Port(i, g) for i, g in sorted(found.items()) if g in self.record.seen]
        return seen[0] if seen else None

    def unread(self, nodes: Sequence[Node]) -> List[Node]:
        """Return the nodes whose introspection data exist and are not read yet."""
        return [
            node
            for node in nodes
            if node.uuid not in self.record.ports and (node.state != NEW or node.uuid in self.record.introspected)
        ]

    def differences(self, node: Node) -> Iterator[str]:
        """Return how a node's ports differ from its configuration, with what to write."""
        found = self.record.ports.get(node.uuid)
        if found is None:
            yield from self._without_data(node)
        else:
            yield from self._with_data(node, found)

    def _without_data(self, node: Node) -> Iterator[str]:
        if node.state == DEPLOYED and not (self._guids[node.name] and self._interface):
            yield f"{node.name} is deployed and has no introspection data; write its `guid`, and `fabric.interface`"

    def _with_data(self, node: Node, found: Dict[str, str]) -> Iterator[str]:
        wanted = self._guids[node.name]
        if self._replaced(node, found):
            return
        if not found or (wanted and wanted not in found.values()):
            configured = f"`guid` is {wanted}, " if wanted else ""
            yield f"{node.name}: {configured}found {self._listed(found)}; write the GUID of the wired port"
            return
        if not wanted and len([guid for guid in found.values() if guid in self.record.seen]) > 1:
            yield f"{node.name}: found {self._listed(found)}; write `guid`, because more than one is wired"
            return
        port = self.wired(node)
        if self._interface and port and port.interface != self._interface:
            yield (
                f"{node.name}: `fabric.interface` is {self._interface}, found {port.guid} as {port.interface}; "
                f"write {port.interface}"
            )

    def _replaced(self, node: Node, found: Dict[str, str]) -> bool:
        """Return whether the adapter of a deployed node was replaced. Such a node is never introspected again.

        Then the configured port is in the fabric, and none of the ports that introspection found.
        """
        known = node.state == DEPLOYED and self._interface is not None
        return known and self._guids[node.name] in self._active and not self._active.intersection(found.values())

    def _listed(self, found: Dict[str, str]) -> str:
        ports = [f"{i} ({g}{', in the fabric' * (g in self.record.seen)})" for i, g in sorted(found.items())]
        return ", ".join(ports) or "no InfiniBand interface (LINK_TYPE_P1 must be IB)"
