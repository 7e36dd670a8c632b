"""The plan: all names, addresses and numbers that follow from the site.

Components, documents, checks and the lab read them here, so each is computed in one place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from ipaddress import IPv4Address
from types import MappingProxyType

from rack.site import Instance, Role, Site, names

HOSTNAMES = {Role.CONTROLLER: "controller", Role.COMPUTE: "computesriov-ib"}
"""Host name stem per role: overcloud-controller-0, overcloud-computesriov-ib-0 (T5)."""

PROFILES = {Role.CONTROLLER: "control", Role.COMPUTE: "compute"}
"""TripleO profile per role; the deployment matches nodes by it (C6, O1)."""

HEAT_TEMPLATES = "/usr/share/openstack-tripleo-heat-templates"
"""TripleO's own templates on the undercloud."""
DEPLOY_FOLDER = "/home/stack/templates/IB/VM"
"""Folder on the undercloud for the deployment files (O1)."""
REGISTRY_FILE = f"{DEPLOY_FOLDER}/containers-registry-ib-vm.yaml"
"""File with the login for the container registry, if it needs one (C3)."""

IPOIB_MTU = 2044
"""Highest MTU of IPoIB, in bytes, in a partition with UFM's default MTU of 2 KiB."""


class UnknownPortError(Exception):
    """A port is not in the configuration and not yet introspected. The text says which key to write to avoid that."""


@dataclass(frozen=True)
class HcaPort:
    """Wired HCA port of a node (O2)."""

    interface: str
    """Name of its IPoIB interface: ib2."""
    guid: str
    """Port GUID."""


@dataclass(frozen=True)
class Host:
    """Node of the overcloud."""

    name: str
    """Name in ironic: controller-1."""
    role: Role
    index: int
    """Number within the role. Removed nodes leave gaps."""
    hostname: str
    """Host name in Nova and Neutron: overcloud-controller-0.localdomain."""
    address: IPv4Address
    """Fixed address on the provisioning network."""
    guid_or_none: str | None
    """Port GUID of the wired HCA port; None before introspection if the configuration has none."""

    @property
    def short_hostname(self) -> str:
        """Return the host name without the domain."""
        return self.hostname.partition(".")[0]

    @property
    def guid(self) -> str:
        """Return the port GUID of the wired HCA port.

        Raises:
            UnknownPortError: the configuration has none, and the node is not introspected.
        """
        if self.guid_or_none is None:
            raise UnknownPortError(
                f"{self.name}: found no port GUID before introspection; write `guid` to have it earlier"
            )
        return self.guid_or_none


@dataclass(frozen=True)
class ControlPKey:
    """Partition of a control network (I3)."""

    network: str
    """Name of the network: InternalApi, Storage, StorageMgmt."""
    pkey: str
    """PKey as UFM spells it: 0xc."""
    vlan: int
    """VLAN with the same number."""
    mtu_kib: int | None
    """MTU of the partition in KiB; None for UFM's default, 2. IPoIB uses four bytes of it for its header."""


@dataclass(frozen=True)
class Link:
    """Cable of the fabric: from an HCA's first port to a switch port (D6)."""

    host: str
    """Name of the node, or ufm."""
    guid: str
    """GUID of the HCA's port."""
    switch_port: int
    """Number of the switch port, from 1."""


@dataclass(frozen=True)
class Plan:
    """All names, addresses and numbers of one stack."""

    site: Site
    stack: str = "unnamed"
    """Name of Pulumi's stack. It appears in the headers of the documents only."""
    ufm_ca: str | None = None
    """Certificate authority of UFM's certificate, PEM; None to trust the system's authorities."""

    @cached_property
    def hosts(self) -> tuple[Host, ...]:
        """Return the overcloud's nodes in the order of the configuration."""
        hosts = []
        for node, index in zip(self.site.nodes, self.site.indexes, strict=True):
            short = f"{self.site.cloud.name}-{HOSTNAMES[node.role]}-{index}"
            hosts.append(
                Host(node.name, node.role, index, f"{short}.{self.site.cloud.domain}", node.address, node.guid)
            )
        return tuple(hosts)

    @property
    def has_all_ports(self) -> bool:
        """Return whether the plan contains all ports, so that nothing depends on introspection."""
        return self.site.fabric.interface is not None and all(host.guid_or_none for host in self.hosts)

    def with_ports(self, ports: Mapping[str, HcaPort]) -> "Plan":
        """Return the plan with the ports that introspection found, by node name.

        Values of the configuration take precedence: introspection has compared them with the nodes'.

        Raises:
            UnknownPortError: the configuration names no interface, and the nodes have different ones.
        """
        nodes = tuple(n if n.guid else n.model_copy(update={"guid": ports[n.name].guid}) for n in self.site.nodes)
        interface = self.site.fabric.interface or _common_interface(ports)
        fabric = self.site.fabric.model_copy(update={"interface": interface})
        return replace(self, site=self.site.model_copy(update={"nodes": nodes, "fabric": fabric}))

    @property
    def interface(self) -> str:
        """Return the overcloud nodes' IPoIB interface on the wired port (O2).

        Raises:
            UnknownPortError: the configuration has none, and the nodes are not introspected.
        """
        if self.site.fabric.interface is None:
            raise UnknownPortError("fabric.interface: found nothing before introspection; write it to have it earlier")
        return self.site.fabric.interface

    def role(self, role: Role) -> tuple[Host, ...]:
        """Return the nodes of a role, in the order of the configuration."""
        return tuple(h for h in self.hosts if h.role == role)

    @property
    def controllers(self) -> tuple[Host, ...]:
        """Return the controllers, in the order of the configuration."""
        return self.role(Role.CONTROLLER)

    @property
    def computes(self) -> tuple[Host, ...]:
        """Return the computes, in the order of the configuration."""
        return self.role(Role.COMPUTE)

    def host(self, name: str) -> Host:
        """Return the node with a name.

        Raises:
            KeyError: there is none.
        """
        return {h.name: h for h in self.hosts}[name]

    def instance(self, name: str) -> Instance:
        """Return the instance with a name.

        Raises:
            KeyError: there is none.
        """
        return {vm.name: vm for vm in self.site.tenant.instances}[name]

    @cached_property
    def control_pkeys(self) -> tuple[ControlPKey, ...]:
        """Return one PKey per control network. Each has the same `members` (I3)."""
        return tuple(
            ControlPKey(name, names.pkey(net.vlan), net.vlan, 4 if net.mtu > IPOIB_MTU else None)
            for name, net in sorted(self.site.networks.control.items())
        )

    @property
    def members(self) -> Mapping[str, str]:
        """Return the port GUID of every overcloud node by `host/interface`, so that a diff names the host (I3).

        Raises:
            UnknownPortError: a port is not in the configuration, and its node is not introspected.
        """
        return MappingProxyType({f"{host.name}/{self.interface}": host.guid for host in self.hosts})

    @property
    def tenant_pkey(self) -> str:
        """Return the PKey that Neutron's driver derives from the tenant network's VLAN: 101 → 0x65 (D4)."""
        return names.pkey(self.site.tenant.network.vlan)

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """Return all cables. UFM, if the stack runs it, has switch port 1; the nodes follow in their order (D6)."""
        ends = [(h.name, h.guid) for h in self.hosts]
        if self.site.ufm.host:
            ends.insert(0, ("ufm", self.site.ufm.host.guid))
        return tuple(Link(name, guid, port) for port, (name, guid) in enumerate(ends, start=1))

    @property
    def sdn_url(self) -> str:
        """Return the URL that Neutron's driver calls (O3). networking-mlnx appends a slash, so it ends without one.

        Neutron verifies UFM's certificate under the name in the URL.
        """
        ufm = self.site.ufm
        url = ufm.url.replace(str(ufm.address), ufm.server_name) if ufm.server_name else ufm.url
        return f"{url}/ufmRestV3"

    @property
    def provision_commands(self) -> Sequence[Sequence[str]]:
        """Return the commands that provision networks and nodes, which `deploy_command` would do too (O5).

        They write environment files to the working directory. `deploy_command` writes its own.
        """
        folder, stack = DEPLOY_FOLDER, self.site.cloud.name
        command = ("openstack", "overcloud")
        return (
            (*command, "network", "provision", "-o", "networks.yaml", f"{folder}/network_data_ib_vm.yaml"),
            (
                *command, "node", "provision", "--stack", stack, "--overcloud-ssh-user", self.site.ssh.overcloud_user,
                "-o", "nodes.yaml", f"{folder}/node-info-ib-vm.yaml",
            ),
        )  # fmt: skip

    @property
    def deploy_command(self) -> Sequence[str]:
        """Return the guide's deploy command as a list of words (O5).

        It has `--deployed-server` too: without it, tripleoclient 16.5.0 refuses `--baremetal-deployment`.
        `--overcloud-ssh-user` is that of `provision_commands`: the client's default differs between releases.
        """
        folder, stock = DEPLOY_FOLDER, f"{HEAT_TEMPLATES}/environments"
        return (
            "openstack", "overcloud", "deploy", "--templates", HEAT_TEMPLATES,
            "--stack", self.site.cloud.name,
            "--networks-file", f"{folder}/network_data_ib_vm.yaml",
            "--vip-file", f"{folder}/vip-data-ib-vm.yaml",
            "--baremetal-deployment", f"{folder}/node-info-ib-vm.yaml",
            "--network-config",
            "--deployed-server",
            "--overcloud-ssh-user", self.site.ssh.overcloud_user,
            "-r", f"{folder}/roles_data_ib_vm.yaml",
            "-e", f"{folder}/containers-prepare-parameter-ib-vm.yaml",
            *(("-e", REGISTRY_FILE) if self.site.undercloud.registry.user else ()),
            "-e", f"{stock}/podman.yaml",
            "-e", f"{stock}/services/neutron-ovs.yaml",
            "-e", f"{stock}/services/neutron-mlnx-agent.yaml",
            "-e", f"{folder}/neutron-ml2-mlnx-sdn-vm.yaml",
            "-e", f"{folder}/ib-env-vm.yaml",
            "--validation-warnings-fatal",
            "-e", f"{stock}/disable-telemetry.yaml",
        )  # fmt: skip


def _common_interface(ports: Mapping[str, HcaPort]) -> str:
    node_by_interface = {port.interface: name for name, port in ports.items()}
    if len(node_by_interface) > 1:
        names_found = ", ".join(f"{interface} ({name})" for interface, name in sorted(node_by_interface.items()))
        raise UnknownPortError(
            f"fabric.interface: found different names of the InfiniBand interface: {names_found}; the guide's NIC "
            "templates need one name for all nodes: rename the interface on the nodes, and write fabric.interface"
        )
    return next(iter(node_by_interface))
