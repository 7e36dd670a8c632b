"""The tenant's cloud (T1 to T6): GPU flavor, InfiniBand network, direct ports, instances pinned to their computes.

What this component enforces: flavor and computes use one alias name; the network's VLAN is the tenant's PKey; ports
keep what nova and networking-mlnx write into them after boot (`binding.profile`, DHCP client-id), which the provider
would otherwise remove from a live VF; the PKey's members are verified at UFM, because the OpenStack API reports a
network as ACTIVE even if UFM does not know it.

Nova cannot change the key pair or the user data of an instance: another one replaces it. Existing instances keep theirs
unless `tenant.replaceInstances` is set.
"""

from pathlib import Path
from typing import Any

import pulumi
import pulumi_openstack as openstack

from access import local
from access.keys import encrypted
from cloud.servers import Servers
from components.base import Component
from components.firmware import Firmware
from components.guest_images import GuestImages
from components.overcloud import Overcloud
from components.owner import Owner
from providers.ufm.gate import PKeyGate
from rack import owner as marks
from rack.plan import Plan
from rack.site import Instance


class Tenant(Component):
    """The tenant's flavor, network, ports and instances."""

    TYPE = "rack:tenant:Tenant"

    instances: dict[str, openstack.compute.Instance]
    """Instance by name."""
    ports: dict[str, openstack.networking.Port]
    """Port by instance."""
    login_key: pulumi.Output[str] | None
    """Private key of the instances' key pair, a secret; None if the configuration does not have it."""
    network: openstack.networking.Network
    subnet: openstack.networking.Subnet

    def __init__(
        self,
        name: str,
        plan: Plan,
        overcloud: Overcloud,
        images: GuestImages,
        firmware: Firmware,
        owner: Owner,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Create everything once the computes' firmware is as wanted, and verify the PKey last."""
        super().__init__(name, opts)
        self._plan, self._with_ports = plan, overcloud.with_ports
        self._provider, self._hooks = overcloud.provider, overcloud.hooks
        self._images, self._after, self._mark = images, firmware.ready, owner.mark
        self.flavor = self._flavor()
        self.network, self.subnet = self._network()
        self.ports = {vm.name: self._port(vm) for vm in plan.site.tenant.instances}
        self._key_name, self.login_key = self._key_pair()
        self._user_data = self._read_user_data()
        self.servers = Servers(name, overcloud.login)
        """Checks the instances' state at nova."""
        self.instances = {vm.name: self._instance(vm) for vm in plan.site.tenant.instances}
        self.membership = self._membership()
        self.register_outputs({"instances": self.summary})

    def _in_cloud(
        self, *depends_on: pulumi.Resource, hooks: pulumi.ResourceHookBinding | None = None, **more: Any
    ) -> pulumi.ResourceOptions:
        """Return the options of a child in the overcloud. `hooks` run after those for outages of the cloud."""
        both = pulumi.ResourceHookBinding.merge(self._hooks, hooks) if self._hooks and hooks else hooks or self._hooks
        return self._child(*depends_on, provider=self._provider, hooks=both, **more)

    def _flavor(self) -> openstack.compute.Flavor:
        flavor, alias = self._plan.site.tenant.flavor, self._plan.site.compute.gpu.alias
        return openstack.compute.Flavor(
            f"{self._name}-flavor",
            name=flavor.name,
            description=self._mark(f"{self._name}-flavor"),
            ram=flavor.ram_mib,
            disk=flavor.disk_gib,
            vcpus=flavor.vcpus,
            is_public=True,
            extra_specs={"hw:cpu_policy": "dedicated", "pci_passthrough:alias": f"{alias}:{flavor.gpus}"},
            opts=self._in_cloud(*self._after),
        )

    def _network(self) -> tuple[openstack.networking.Network, openstack.networking.Subnet]:
        net, physnet = self._plan.site.tenant.network, self._plan.site.networks.tenant.physnet
        network = openstack.networking.Network(
            f"{self._name}-network",
            name=net.name,
            description=self._mark(f"{self._name}-network"),
            shared=True,
            admin_state_up=True,
            segments=[
                openstack.networking.NetworkSegmentArgs(
                    physical_network=physnet, network_type="vlan", segmentation_id=net.vlan
                )
            ],
            # Neutron ignores other segments of an existing network. A router has one network of a range at a time.
            opts=self._in_cloud(*self._after, replace_on_changes=["segments"], delete_before_replace=True),
        )
        subnet = openstack.networking.Subnet(
            f"{self._name}-subnet",
            name=net.subnet,
            description=self._mark(f"{self._name}-subnet"),
            network_id=network.id,
            cidr=str(net.cidr),
            ip_version=4,
            enable_dhcp=True,
            dns_nameservers=[str(address) for address in net.dns],
            opts=self._in_cloud(),
        )
        return network, subnet

    def _port(self, vm: Instance) -> openstack.networking.Port:
        return openstack.networking.Port(
            f"{self._name}-{vm.port}",
            name=vm.port,
            description=self._mark(f"{self._name}-{vm.port}"),
            network_id=self.network.id,
            admin_state_up=True,
            fixed_ips=[openstack.networking.PortFixedIpArgs(subnet_id=self.subnet.id)],
            binding=openstack.networking.PortBindingArgs(vnic_type="direct"),
            opts=self._in_cloud(delete_before_replace=True, ignore_changes=["binding.profile", "extraDhcpOptions"]),
        )

    def _key_pair(self) -> tuple[pulumi.Input[str], pulumi.Output[str] | None]:
        """Return the name of the key pair in Nova, and its private key."""
        pair = self._plan.site.tenant.key_pair
        file = pair.private_key_file
        own = pulumi.Output.secret(_private_key(file)) if file else None
        if pair.existing:
            return pair.name, own
        made = openstack.compute.Keypair(
            f"{self._name}-key-pair", name=pair.name, public_key=pair.public_key, opts=self._in_cloud(*self._after)
        )
        return made.name, pulumi.Output.secret(made.private_key) if pair.generated else own

    def _read_user_data(self) -> str | None:
        tenant = self._plan.site.tenant
        if tenant.user_data_file:
            return local.read("tenant.userDataFile", tenant.user_data_file)
        return tenant.user_data

    def _instance(self, vm: Instance) -> openstack.compute.Instance:
        kept = [] if self._plan.site.tenant.replace_instances else ["keyPair", "userData"]
        instance = openstack.compute.Instance(
            f"{self._name}-{vm.name}",
            name=vm.name,
            metadata={marks.KEY: self._mark(f"{self._name}-{vm.name}")},
            flavor_id=self.flavor.id,
            image_id=self._images.images[vm.image].id,
            availability_zone=f"nova:{self._plan.host(vm.compute).hostname}",
            networks=[openstack.compute.InstanceNetworkArgs(port=self.ports[vm.name].id)],
            key_pair=self._key_name,
            user_data=self._user_data,
            opts=self._in_cloud(delete_before_replace=True, ignore_changes=kept, hooks=self.servers.instance),
        )
        self.servers.watch(instance)
        return instance

    def _membership(self) -> PKeyGate:
        """Wait until the tenant's PKey at UFM has the VMs' VFs and the controllers (T6); Neutron's driver adds them."""
        vfs = {f"{vm}/vf": port.mac_address.apply(vf_guid) for vm, port in self.ports.items()}

        def members(plan: Plan) -> dict[str, pulumi.Input[str]]:
            return {**{f"{host.name}/{plan.interface}": host.guid for host in plan.controllers}, **vfs}

        return PKeyGate(
            f"{self._name}-pkey",
            pkey=self._plan.tenant_pkey,
            members=self._with_ports(members),
            opts=self._child(*self.instances.values(), hooks=self.servers.user),
        )

    @property
    def summary(self) -> dict[str, dict[str, pulumi.Output[str]]]:
        """Status and fixed address of each instance, for the stack's outputs."""
        return {
            vm: {
                "status": instance.power_state.apply(lambda state: (state or "").upper()),
                "address": self.ports[vm].all_fixed_ips.apply(lambda ips: ips[0]),
            }
            for vm, instance in self.instances.items()
        }


def vf_guid(mac: str) -> str:
    """Return the GUID that networking-mlnx derives from a port's MAC: fa:16:3e:aa:bb:cc → fa163e0000aabbcc."""
    digits = mac.replace(":", "").lower()
    return f"{digits[:6]}0000{digits[6:]}"


def _private_key(file: Path) -> str:
    """Return the text of the private key.

    Raises:
        RunError: the file can't be read, or the key has a passphrase, which the bandwidth test cannot enter.
    """
    key = local.read("tenant.keyPair.privateKeyFile", file)
    if encrypted(key):
        raise pulumi.RunError(f"tenant.keyPair.privateKeyFile: {file} has a passphrase; use a key without one")
    return key
