"""The files of the fabric's controller: the topology and the state of its ports."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lab.fabric.topology import Hca, Switch, Topology, Trunk


def write(path: Path, content: str) -> None:
    """Replace a file atomically."""
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(content)
    temporary.replace(path)


def dump_topology(topology: Topology) -> str:
    """Return the topology as JSON text."""
    return json.dumps(asdict(topology), indent=1)


def load_topology(content: str) -> Topology:
    """Return the topology from the text of `dump_topology`."""
    fields = json.loads(content)
    return Topology(
        switches=tuple(Switch(**switch) for switch in fields["switches"]),
        hcas=tuple(Hca(**hca) for hca in fields["hcas"]),
        manager=fields["manager"],
        trunks=tuple(Trunk(**trunk) for trunk in fields["trunks"]),
    )


def digest(content: str) -> str:
    """Return a digest of a topology's text."""
    return hashlib.sha256(content.encode()).hexdigest()[:16]


class State:
    """The linked HCAs and the GUIDs of the VFs. HCAs that are not in the topology are dropped."""

    def __init__(self, path: Path, topology: Topology) -> None:
        """Read the file. Without a file only the manager's HCA is linked."""
        self._path = path
        stored: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        names = {hca.name for hca in topology.hcas}
        self.linked: set[str] = {topology.manager, *stored.get("linked", [])} & names
        self.plugged: dict[str, str] = {n: g for n, g in stored.get("plugged", {}).items() if n in names}

    def save(self) -> None:
        """Write the file."""
        write(self._path, json.dumps({"linked": sorted(self.linked), "plugged": self.plugged}, indent=1))
