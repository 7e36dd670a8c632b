"""What `rack drift` asks of a host, as JSON on standard input of `look.py`."""

import json
from typing import Any, Dict, List, NamedTuple, Optional

from onhost.undercloud.orders import SshAccess


class AdapterLook(NamedTuple):
    """An adapter, and what is above it."""

    device: str
    """PCI address."""
    tools: List[str]
    """Programs that read its settings; the first one that the node has is used, and none is installed."""
    gpu: Optional[str]
    """PCI vendor and product ID of the GPUs whose bridges are read; None: no bridges."""


class UfmLook(NamedTuple):
    """UFM on its host."""

    image: str
    interface: str
    """Of the fabric."""
    notes: str
    """File that exists if the program set the interface's address."""
    address_unit: str
    """Unit that sets the address at boot."""
    unit: str
    """Unit that UFM's newer installers create."""


class NodeLook(NamedTuple):
    """An overcloud node, which user stack enters from the undercloud."""

    name: str
    address: str
    host_key: str
    """A line of a known_hosts file."""
    ssh: SshAccess
    order: "LookOrder"


class CloudLook(NamedTuple):
    """What user stack sees on the undercloud."""

    stack: str
    """Name of the overcloud's Heat stack."""
    services: bool
    """The overcloud is deployed: nova's services are listed, and its last deployment is looked at."""
    nodes: List[NodeLook]
    computes: List[str]
    """Host names whose instances are listed; empty: none are."""


class LookOrder(NamedTuple):
    """What to look at on one host."""

    files: Dict[str, str]
    """Path to the SHA-256 of the expected content. Empty for a file with a secret: its content stays on the host."""
    units: List[str]
    jobs: List[str]
    options: Dict[str, List[str]]
    """INI file to the options that are read, as SECTION/OPTION."""
    deployed: bool
    """TripleO has deployed services here: its containers are listed."""
    adapter: Optional[AdapterLook] = None
    ufm: Optional[UfmLook] = None
    cloud: Optional[CloudLook] = None

    @classmethod
    def decode(cls, text: str) -> "LookOrder":
        """Read an order from its JSON text."""
        fields = json.loads(text)
        made = {
            "adapter": AdapterLook(**fields["adapter"]) if fields["adapter"] else None,
            "ufm": UfmLook(**fields["ufm"]) if fields["ufm"] else None,
            "cloud": _cloud(fields["cloud"]) if fields["cloud"] else None,
        }
        return cls(**dict(fields, **made))


def _cloud(fields: Dict[str, Any]) -> CloudLook:
    nodes = [
        NodeLook(**dict(node, ssh=SshAccess(**node["ssh"]), order=LookOrder.decode(json.dumps(node["order"]))))
        for node in fields["nodes"]
    ]
    return CloudLook(**dict(fields, nodes=nodes))
