"""The questions of `rack new`, each with a default that follows from the answers so far."""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any

from draft.document import Document, get, put
from draft.fabric import Fabric

CONTROL = {"Storage": (11, "172.16.1.0/24"), "InternalApi": (12, "172.16.2.0/24"), "StorageMgmt": (13, "172.16.3.0/24")}
"""Network → VLAN and address range of the guide's example (D3)."""
IMAGE = "mellanox/ufm-enterprise:6.14.5-2"
ELEMENTS = (
    "vm", "dhcp-all-interfaces", "cloud-init-datasources", "cloud-init-config", "cloud-init-net-conf-disabled",
    "dracut-regenerate", "growroot", "epel", "mofed", "cuda", "gpudirect-bench", "centos",
)  # fmt: skip
"""Elements of the guide's GPU image (G2)."""
GPU_IMAGE = "centos8-stream-gdr"


@dataclass(frozen=True)
class Question:
    """A key of the configuration to ask for."""

    path: str
    text: str
    default: Any = None
    """Proposal; None if only the site knows the value."""
    optional: bool = False
    """Whether the key may be left out."""


@dataclass(frozen=True)
class Choice:
    """A decision that is no key of the configuration: yes or no, or a number."""

    name: str
    text: str
    default: bool | int
    allowed: Container[int] = range(1, 1000)
    """Numbers that are accepted."""


@dataclass
class Draft:
    """What is known so far."""

    site: Document
    choices: dict[str, bool | int] = field(default_factory=dict)
    fabric: Fabric = field(default_factory=Fabric)
    asked: "dict[str, Question]" = field(default_factory=dict)
    """Question by path, of those that were asked on the terminal."""

    def address(self, path: str, offset: int) -> str | None:
        """Return the address at an offset in the network whose range is at a path; None if there is none."""
        try:
            network = IPv4Network(get(self.site, path))
        except ValueError:
            return None
        return str(network[offset]) if offset < network.num_addresses - 1 else None

    def range(self, path: str, first: int, last: int) -> Document | None:
        """Return the addresses between two offsets in the network whose range is at a path."""
        start, end = self.address(path, first), self.address(path, last)
        return {"start": start, "end": end} if start and end else None


def questions(draft: Draft) -> Iterator[Question | Choice]:
    """Yield the questions in their order. The answer to one is in the draft before the next is made."""
    yield from _ssh()
    yield from _networks(draft)
    yield from _ufm(draft)
    yield from _switch(draft)
    yield from _nodes(draft)
    yield from _computes()
    yield Choice("workload", "Deploy the guide's GPU image, two instances and the bandwidth test", True)
    if draft.choices["workload"]:
        yield from _workload(draft)


def _ssh() -> Iterator[Question]:
    yield Question("ssh.user", "User for SSH on the UFM host and the undercloud", "root")
    yield Question("ssh.privateKeyFile", "Private key for SSH; - for the SSH agent", "~/.ssh/id_ed25519", True)
    yield Question(
        "ssh.knownHostsFile", "File with the host keys of the UFM host and the undercloud", "~/.ssh/known_hosts"
    )


def _networks(draft: Draft) -> Iterator[Question]:
    net = "networks.provisioning"
    yield Question(f"{net}.cidr", "Address range of the provisioning network", "192.168.24.0/24")
    yield Question("undercloud.address", "Address of the undercloud on it", draft.address(f"{net}.cidr", 1))
    yield Question(
        f"{net}.gateway",
        "Gateway, usually the undercloud",
        get(draft.site, "undercloud.address"),
    )
    yield Question(f"{net}.dhcp", "Addresses for provisioning, START-END", draft.range(f"{net}.cidr", 50, 99))
    yield Question(f"{net}.inspection", "Addresses for introspection, START-END", draft.range(f"{net}.cidr", 100, 149))
    yield Question(f"{net}.dns", "Name servers, with commas")
    yield Question(f"{net}.ntp", "Time servers, with commas")
    yield Question(f"{net}.interface", "Interface of the nodes on the provisioning network", "eno1")
    net = "networks.external"
    yield Question(f"{net}.cidr", "Address range of the external network")
    yield Question(f"{net}.gateway", "Gateway of the external network", draft.address(f"{net}.cidr", 1))
    yield Question(
        f"{net}.pool",
        "External addresses of the controllers, START-END",
        draft.range(f"{net}.cidr", 50, 99),
    )
    yield Question(f"{net}.vlan", "VLAN of the external network")
    yield Question(f"{net}.interface", "Interface of the controllers on the external network", "eno2")
    for name, (vlan, cidr) in CONTROL.items():
        net = f"networks.control.{name}"
        yield Question(f"{net}.cidr", f"Address range of {name}, over InfiniBand", cidr)
        yield Question(f"{net}.vlan", f"VLAN of {name}, in hex its PKey", vlan)
        yield Question(f"{net}.pool", f"Addresses on {name}, START-END", draft.range(f"{net}.cidr", 50, 199))
    yield Question("networks.tenant.vlans", "VLANs of tenants, in hex their PKeys, FIRST-LAST", [101, 200])


def _ufm(draft: Draft) -> Iterator[Question | Choice]:
    yield Question("ufm.address", "Address of UFM", draft.address("networks.provisioning.cidr", 200))
    yield Choice("ufmHost", "Does this program install and run UFM on that host", True)
    if draft.choices["ufmHost"]:
        yield Choice("ufmNow", "Does a UFM run there already, from which to read port GUIDs", False)
    else:
        yield Question("ufm.user", "User of UFM", "admin")
        yield Question("ufm.caFile", "File of UFM's certificate authority; - for none", None, True)
        yield Choice("ufmNow", "Read port GUIDs from it now", True)
    if draft.choices["ufmHost"]:
        yield Question("ufm.host.guid", "Port GUID of the UFM host", _guid(draft, "ufm"))
        yield Question("ufm.host.image", "UFM's container image, with its release", IMAGE)
        yield Question("ufm.host.managementInterface", "Interface of the UFM host on the provisioning network", "eth0")


def _guid(draft: Draft, *hosts: str) -> str | None:
    """Return the port GUID of a host in UFM, if there is exactly one."""
    found = draft.fabric.of_host(*hosts)
    return found[0].guid if len(found) == 1 else None


def _switch(draft: Draft) -> Iterator[Question]:
    name, guid = next(iter(draft.fabric.switches.items())) if len(draft.fabric.switches) == 1 else (None, None)
    yield Question("fabric.switch.name", "Name of the InfiniBand switch", name)
    yield Question("fabric.switch.guid", "System GUID of the switch", guid)
    yield Question(
        "fabric.switch.address", "Management address of the switch; - for none",
        draft.address("networks.provisioning.cidr", 201), True,
    )  # fmt: skip
    yield Question("fabric.interface", "InfiniBand interface of the nodes; - to have introspection find it", None, True)


def _nodes(draft: Draft) -> Iterator[Question | Choice]:
    nodes: list[Document] = draft.site.setdefault("nodes", [])
    if not nodes:
        yield Choice("controllers", "Number of controllers: 1, 3 or 5", 3, (1, 3, 5))
        yield Choice("computes", "Number of computes", 2)
        for role, stem in (("Controller", "controller"), ("ComputeSriovIB", "compute")):
            count = int(draft.choices[f"{stem}s"])
            nodes += [{"name": f"{stem}-{number}", "role": role} for number in range(1, count + 1)]
    next_of = {"Controller": 11, "ComputeSriovIB": 21}
    for index, node in enumerate(nodes):
        here = f"nodes[{index}]"
        yield Question(f"{here}.name", "Name of the node")
        name = node["name"]
        yield Question(f"{here}.role", f"Role of {name}: Controller or ComputeSriovIB")
        offset = next_of.get(node["role"], 11)
        next_of[node["role"]] = offset + 1
        default = draft.address("networks.provisioning.cidr", offset)
        yield Question(f"{here}.address", f"Address of {name} on the provisioning network", default)
        yield Question(f"{here}.mac", f"MAC address from which {name} boots")
        yield Question(f"{here}.ipmi.address", f"Address of the BMC of {name}")
        guid = _guid(draft, name, _deployed(draft, index))
        yield Question(f"{here}.guid", f"Port GUID of {name}; - to have introspection find it", guid, True)


def _deployed(draft: Draft, index: int) -> str:
    """Return the host name that TripleO gives a node, which UFM shows once it is deployed."""
    nodes = draft.site["nodes"]
    role, same = nodes[index]["role"], 0
    for node in nodes[:index]:
        same += node.get("role") == role
    stem = "controller" if role == "Controller" else "computesriov-ib"
    return f"{get(draft.site, 'cloud.name') or 'overcloud'}-{stem}-{nodes[index].get('index', same)}"


def _computes() -> Iterator[Question]:
    yield Question("compute.hca", "PCI address of the computes' InfiniBand adapter", "c5:00.0")
    yield Question("compute.gpu.productId", "PCI device ID of their GPUs, as `lspci -nn` shows it", "20f1")
    yield Question("compute.dedicatedCpus", "CPUs for instances, of the GPU's NUMA node", "2-63")
    yield Question("compute.sharedCpus", "CPUs for the host", "0-1")
    yield Question("compute.kernelArgs", "Kernel arguments; on Intel: intel_iommu=on iommu=pt", "amd_iommu=on iommu=pt")


def _workload(draft: Draft) -> Iterator[Question]:
    computes = [str(node["name"]) for node in draft.site["nodes"] if node["role"] == "ComputeSriovIB"][:2]
    first, _ = get(draft.site, "networks.tenant.vlans")
    yield Question("tenant.network.vlan", "VLAN of the tenant's network", first)
    yield Question("tenant.network.cidr", "Address range of the tenant's network", "11.11.11.0/24")
    external = "networks.external.cidr"
    pool = draft.range(external, 150, 199)
    yield Question("externalAccess.network.pool", "External addresses for floating IPs, START-END", pool)
    site = draft.site
    put(site, "externalAccess.network.cidr", get(site, external))
    put(site, "externalAccess.network.gateway", get(site, "networks.external.gateway"))
    _give(site, "images", [{"name": GPU_IMAGE, "gpuBuilder": True, "elements": list(ELEMENTS)}])
    image = site["images"][0]["name"]
    machines = [
        {"name": f"vm{number}_gpu", "port": f"direct{number}", "compute": compute, "image": image}
        for number, compute in enumerate(computes, start=1)
    ]
    _give(site, "tenant.instances", machines)
    if len(machines) > 1:
        _give(site, "bandwidth", {"server": machines[0]["name"], "client": machines[1]["name"]})
    if machines:
        _give(site, "externalAccess.floatingIps", [{"instance": machines[0]["name"]}])


def _give(site: Document, path: str, value: Any) -> None:
    """Write a value where the answers have none."""
    if get(site, path) is None:
        put(site, path, value)
