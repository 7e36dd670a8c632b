"""The plan: every name, address and number that follows from the site, decided once.

Components, documents, lab and checks read it; none of them works a number out again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address
from types import MappingProxyType

from rack.site import Instance, Role, Site, names

HOSTNAMES = {Role.CONTROLLER: "controller", Role.COMPUTE: "computesriov-ib"}
"""How the guide's hosts are called: overcloud-controller-0, overcloud-computesriov-ib-0 (T5)."""

PROFILES = {Role.CONTROLLER: "control", Role.COMPUTE: "compute"}
"""TripleO's profile of a role's nodes, matched at deployment (C6, O1)."""

HEAT_TEMPLATES = "/usr/share/openstack-tripleo-heat-templates"
BUNDLE = "/home/stack/templates/IB/VM"
"""Where the undercloud keeps the deployment files (O1)."""
REGISTRY_FILE = f"{BUNDLE}/containers-registry-ib-vm.yaml"
"""The login at the containers' registry, where it wants one (C3)."""


IPOIB_MTU = 2044
"""Bytes that IPoIB carries in a partition as UFM makes it."""


class UnknownPortError(Exception):
    """A node's port is not known before it was introspected; the text says what may be written instead."""


@dataclass(frozen=True)
class HcaPort:
    """The wired port of a node, as the configuration has it or introspection has found it (O2)."""

    interface: str
    """Its IPoIB interface: ib2."""
    guid: str


@dataclass(frozen=True)
class Host:
    """A node of the overcloud."""

    name: str
    """As the inventory calls it: controller-1."""
    role: Role
    index: int
    """Within its role; a gap where a node has left."""
    hostname: str
    """As nova and neutron call it: overcloud-controller-0.localdomain."""
    address: IPv4Address
    guid_or_none: str | None
    """Of the wired HCA port, where it is known."""

    @property
    def short_hostname(self) -> str:
        return self.hostname.partition(".")[0]

    @property
    def guid(self) -> str:
        """Port GUID of the wired HCA port.

        Raises:
            UnknownPortError: the configuration leaves it to introspection.
        """
        if self.guid_or_none is None:
            raise UnknownPortError(f"{self.name}: introspection finds its GUID; write `guid` to have it before")
        return self.guid_or_none


@dataclass(frozen=True)
class ControlPKey:
    """A partition of the fabric under a control network (I3)."""

    network: str
    """InternalApi, Storage, StorageMgmt."""
    pkey: str
    """As UFM spells it: 0xc."""
    vlan: int
    mtu_kib: int | None
    """The partition's MTU where the network needs another than UFM's 2 KiB: IPoIB takes four bytes of it."""


@dataclass(frozen=True)
class Link:
    """One cable of the fabric (D6): an HCA's first port to a switch port."""

    host: str
    guid: str
    switch_port: int


@dataclass(frozen=True)
class Plan:
    site: Site
    stack: str = "unnamed"
    """Pulumi's stack, named by the headers of the documents; nothing else follows from it."""

    @cached_property
    def hosts(self) -> tuple[Host, ...]:
        """The overcloud's nodes in the order of the inventory."""
        hosts = []
        for node, index in zip(self.site.nodes, self.site.indexes, strict=True):
            short = f"{self.site.cloud.name}-{HOSTNAMES[node.role]}-{index}"
            hosts.append(
                Host(node.name, node.role, index, f"{short}.{self.site.cloud.domain}", node.address, node.guid)
            )
        return tuple(hosts)

    @property
    def has_all_ports(self) -> bool:
        """Whether every port is known without introspection."""
        return self.site.fabric.interface is not None and all(host.guid_or_none for host in self.hosts)

    def with_ports(self, ports: Mapping[str, HcaPort]) -> "Plan":
        """The plan with the ports that introspection has found; node → port. The configuration's word stands: the two
        were compared before.

        Raises:
            UnknownPortError: the nodes do not agree on the interface's name, and the configuration names none.
        """
        nodes = tuple(n if n.guid else n.model_copy(update={"guid": ports[n.name].guid}) for n in self.site.nodes)
        interface = self.site.fabric.interface or _agreed(ports)
        fabric = self.site.fabric.model_copy(update={"interface": interface})
        return Plan(self.site.model_copy(update={"nodes": nodes, "fabric": fabric}), self.stack)

    @property
    def interface(self) -> str:
        """The overcloud nodes' IPoIB interface on the wired port (O2).

        Raises:
            UnknownPortError: the configuration leaves it to introspection.
        """
        if self.site.fabric.interface is None:
            raise UnknownPortError("introspection finds fabric.interface; write it to have it before")
        return self.site.fabric.interface

    def role(self, role: Role) -> tuple[Host, ...]:
        return tuple(h for h in self.hosts if h.role == role)

    @property
    def controllers(self) -> tuple[Host, ...]:
        return self.role(Role.CONTROLLER)

    @property
    def computes(self) -> tuple[Host, ...]:
        return self.role(Role.COMPUTE)

    def host(self, name: str) -> Host:
        """By its name in the inventory; KeyError where there is none."""
        return {h.name: h for h in self.hosts}[name]

    def instance(self, name: str) -> Instance:
        """By its name; KeyError where there is none."""
        return {vm.name: vm for vm in self.site.tenant.instances}[name]

    @cached_property
    def control_pkeys(self) -> tuple[ControlPKey, ...]:
        """One PKey a control network; `members` are those of each (I3)."""
        return tuple(
            ControlPKey(name, names.pkey(net.vlan), net.vlan, 4 if net.mtu > IPOIB_MTU else None)
            for name, net in sorted(self.site.networks.control.items())
        )

    @property
    def members(self) -> Mapping[str, str]:
        """`host/port` → GUID of every overcloud node's port: a diff names the host (I3).

        Raises:
            UnknownPortError: the configuration leaves a port to introspection.
        """
        return MappingProxyType({f"{host.name}/{self.interface}": host.guid for host in self.hosts})

    @property
    def tenant_pkey(self) -> str:
        """The PKey that Neutron's driver makes of the tenant network's VLAN (D4): 101 → 0x65."""
        return names.pkey(self.site.tenant.network.vlan)

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """Switch port 1 is UFM's where we run it, then the nodes' in the order of the inventory."""
        ends = [(h.name, h.guid) for h in self.hosts]
        if self.site.ufm.host:
            ends.insert(0, ("ufm", self.site.ufm.host.guid))
        return tuple(Link(name, guid, port) for port, (name, guid) in enumerate(ends, start=1))

    @property
    def sdn_url(self) -> str:
        """What Neutron's driver calls. No trailing slash: networking-mlnx would double it (O3)."""
        return f"{self.site.ufm.url}/ufmRestV3"

    @property
    def deploy_command(self) -> Sequence[str]:
        """The guide's deploy command, word by word (O5), and `--deployed-server`, without which tripleoclient 16.5.0
        refuses `--baremetal-deployment`."""
        bundle, stock = BUNDLE, f"{HEAT_TEMPLATES}/environments"
        return (
            "openstack", "overcloud", "deploy", "--templates", HEAT_TEMPLATES,
            "--stack", self.site.cloud.name,
            "--networks-file", f"{bundle}/network_data_ib_vm.yaml",
            "--vip-file", f"{bundle}/vip-data-ib-vm.yaml",
            "--baremetal-deployment", f"{bundle}/node-info-ib-vm.yaml",
            "--network-config",
            "--deployed-server",
            "-r", f"{bundle}/roles_data_ib_vm.yaml",
            "-e", f"{bundle}/containers-prepare-parameter-ib-vm.yaml",
            *(("-e", REGISTRY_FILE) if self.site.undercloud.registry.user else ()),
            "-e", f"{stock}/podman.yaml",
            "-e", f"{stock}/services/neutron-ovs.yaml",
            "-e", f"{stock}/services/neutron-mlnx-agent.yaml",
            "-e", f"{bundle}/neutron-ml2-mlnx-sdn-vm.yaml",
            "-e", f"{bundle}/ib-env-vm.yaml",
            "--validation-warnings-fatal",
            "-e", f"{stock}/disable-telemetry.yaml",
        )  # fmt: skip


def _agreed(ports: Mapping[str, HcaPort]) -> str:
    found = {port.interface: name for name, port in ports.items()}
    if len(found) > 1:
        ways = ", ".join(f"{interface} ({name})" for interface, name in sorted(found.items()))
        raise UnknownPortError(
            f"the nodes call their InfiniBand interface differently: {ways}; the guide's NIC "
            "templates name one for all: rename it on the nodes, and write fabric.interface"
        )
    return next(iter(found))
