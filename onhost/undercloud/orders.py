"""Orders: the input of the programs on the undercloud, as JSON on standard input.

The components build an order and `encode` it; the program decodes it into the same type. Times are in seconds. The
sequence of fields is part of the contract: a job's key is made of its input, so a changed one runs the job again.
"""

import json
from typing import Any, Dict, List, NamedTuple, Optional, Sequence


class UfmApi(NamedTuple):
    """How UFM's REST API is reached from the undercloud."""

    url: str
    ca: Optional[str]
    """Certificates of the authority, as PEM text; None: the system's."""
    insecure: bool
    """Do not verify UFM's certificate."""
    token: str
    """Access token. Never printed."""
    name: Optional[str] = None
    """The name in UFM's certificate; None: the host of `url`."""


class IntrospectOrder(NamedTuple):
    """Order of `nodes.py introspect` (I1, I2, O2)."""

    ufm: UfmApi
    nodes: Dict[str, Optional[str]]
    """Node name to the GUID of its wired port; None where introspection is to find it."""
    interface: Optional[str]
    """Name of the wired interface; None where introspection is to find it."""
    boot_mode: str
    """`bios` or `uefi`."""
    repeats: int
    """How often nodes with an unseen port are introspected again."""
    limit: float
    pauses: Sequence[float]
    record: str
    """Path of the file in which the program records its work."""

    @classmethod
    def decode(cls, text: str) -> "IntrospectOrder":
        """Read an order from its JSON text."""
        fields = json.loads(text)
        return cls(**dict(fields, ufm=UfmApi(**fields["ufm"])))


class GateOrder(NamedTuple):
    """Order of `nodes.py gate` (I4)."""

    ufm: UfmApi
    pkeys: Dict[str, str]
    """PKey to the network that it carries."""
    members: Dict[str, str]
    """Member name to port GUID."""
    limit: float
    pauses: Sequence[float]

    @classmethod
    def decode(cls, text: str) -> "GateOrder":
        """Read an order from its JSON text."""
        fields = json.loads(text)
        return cls(**dict(fields, ufm=UfmApi(**fields["ufm"])))


class Placement(NamedTuple):
    """A node's role and host name in TripleO."""

    role: str
    host: str
    """Fully qualified host name."""


class LeaveOrder(NamedTuple):
    """Order of `nodes.py leave`: scale-in."""

    stack: str
    """Name of the overcloud's Heat stack."""
    nodes: Dict[str, Placement]
    """The nodes of the configuration, by name."""
    roles: List[Dict[str, Any]]
    """The deployment's node file (O1) for the nodes of the configuration."""
    instances: str
    """`refuse` or `drain`."""
    limit: float
    """How long to wait until no instance is left."""
    cleaning: float
    """How long cleaning a node's disks may take."""
    pauses: Sequence[float]
    record: str
    """Path of the file in which the program records the nodes of its last run."""

    @classmethod
    def decode(cls, text: str) -> "LeaveOrder":
        """Read an order from its JSON text."""
        fields = json.loads(text)
        return cls(**dict(fields, nodes={name: Placement(**node) for name, node in fields["nodes"].items()}))


class WaveMember(NamedTuple):
    """A node of a wave."""

    name: str
    address: str
    """Where its SSH server listens."""
    hostname: str
    """As nova and pacemaker know it."""


class SshAccess(NamedTuple):
    """How the undercloud enters overcloud nodes."""

    user: str
    port: int
    stack: str
    """Name of the overcloud's Heat stack, which may have a key of its own."""


class NodeOrder(NamedTuple):
    """Order of `node.py`: a step on one node."""

    name: str
    address: str
    """Where the node's SSH server listens."""
    host_key: str
    """A line of a known_hosts file."""
    ssh: SshAccess
    create: str
    """Shell script for root."""
    delete: str
    """Shell script for root that undoes it."""
    given: str
    """Standard input of `create`."""

    @classmethod
    def decode(cls, text: str) -> "NodeOrder":
        """Read an order from its JSON text."""
        fields = json.loads(text)
        return cls(**dict(fields, ssh=SshAccess(**fields["ssh"])))


class WaveOrder(NamedTuple):
    """Order of `wave.py`: one wave of nodes of one role (H1 to H4, B1, B2)."""

    kind: str
    """`compute` or `controller`."""
    nodes: List[WaveMember]
    host_keys: List[str]
    """Lines of a known_hosts file."""
    ssh: SshAccess
    tool: str
    """`mstconfig`, `mlxconfig`, or `auto` for the one that a node has."""
    device: str
    """PCI address of the adapter."""
    settings: Dict[str, Any]
    """Firmware parameter to the wanted value."""
    minimum_release: Optional[str]
    """The oldest firmware release that is accepted."""
    instances: str
    """`refuse` or `drain`."""
    alone: bool
    """The overcloud has one controller, so no quorum can be kept."""
    boot_mode: str
    kernel_args: str
    """Kernel arguments that a compute must run with (O4)."""
    gpu: str
    """PCI vendor and product ID of the GPUs."""
    read_request: Optional[int]
    """MaxReadReq of the adapter in bytes; None: as the BIOS sets it."""
    drain_limit: float
    reboot_limit: float
    pauses: Sequence[float]
    check_list: bool
    """Print what to check in the BIOS by hand (H4)."""

    @classmethod
    def decode(cls, text: str) -> "WaveOrder":
        """Read an order from its JSON text."""
        fields = json.loads(text)
        nodes = [WaveMember(**node) for node in fields["nodes"]]
        return cls(**dict(fields, nodes=nodes, ssh=SshAccess(**fields["ssh"])))


class TemplateRequirements(NamedTuple):
    """What TripleO's templates and client must provide for the documents (C1): the order of `templates.py`."""

    templates: str
    """Folder of the templates on the undercloud."""
    environments: List[str]
    """Environment files of the deploy command, relative to the templates."""
    options: List[str]
    """Options of the deploy command."""
    parameters: Dict[str, str]
    """Parameter to the document that sets it."""
    services: Dict[str, str]
    """Service to the document that names it."""

    @classmethod
    def decode(cls, text: str) -> "TemplateRequirements":
        """Read an order from its JSON text."""
        return cls(**json.loads(text))


def encode(order: Any, indent: Optional[int] = None) -> str:
    """Return an order as JSON text, with its fields in the order in which the type lists them."""
    return json.dumps(_plain(order), indent=indent)


def _plain(value: Any) -> Any:
    """Return the value with dictionaries in place of NamedTuples, which JSON would write as lists."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value
