"""The tenant's cloud (T1 to T6): GPU flavor, InfiniBand network, direct ports, instances pinned to their computes.

What this component enforces: one alias name for flavor and computes; the network's VLAN is the tenant's PKey; ports
keep what nova and networking-mlnx write into them after boot (`binding.profile`, DHCP client-id), which a plain
provider would take away from a live VF; the PKey's members are verified at UFM, for the OpenStack API calls a network
ACTIVE that UFM has never heard of.
"""

import pulumi
import pulumi_openstack as openstack

from components.firmware import Firmware
from components.guest_images import GuestImages
from components.overcloud import Overcloud
from providers.ufm.gate import PKeyGate
from rack.plan import Plan
from rack.site import Instance


class Tenant(pulumi.ComponentResource):
    instances: dict[str, openstack.compute.Instance]
    ports: dict[str, openstack.networking.Port]
    """By instance."""
    network: openstack.networking.Network
    subnet: openstack.networking.Subnet

    def __init__(
        self,
        name: str,
        plan: Plan,
        overcloud: Overcloud,
        images: GuestImages,
        firmware: Firmware,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("rack:tenant:Tenant", name, None, opts)
        self._name, self._plan, self._provider, self._known = name, plan, overcloud.provider, overcloud.known
        self._images, self._after = images, firmware.ready
        self.flavor = self._flavor()
        self.network, self.subnet = self._network()
        self.ports = {vm.name: self._port(vm) for vm in plan.site.tenant.instances}
        self.instances = {vm.name: self._instance(vm) for vm in plan.site.tenant.instances}
        self.membership = self._membership()
        self.register_outputs({"instances": self.summary})

    def _child(self, *depends_on: pulumi.Resource, replace_first: bool = False) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self,
            provider=self._provider,
            depends_on=list(depends_on),
            delete_before_replace=replace_first or None,
        )

    def _flavor(self) -> openstack.compute.Flavor:
        flavor, alias = self._plan.site.tenant.flavor, self._plan.site.compute.gpu.alias
        return openstack.compute.Flavor(
            f"{self._name}-flavor",
            name=flavor.name,
            ram=flavor.ram_mib,
            disk=flavor.disk_gib,
            vcpus=flavor.vcpus,
            is_public=True,
            extra_specs={"hw:cpu_policy": "dedicated", "pci_passthrough:alias": f"{alias}:{flavor.gpus}"},
            opts=self._child(*self._after),
        )

    def _network(self) -> tuple[openstack.networking.Network, openstack.networking.Subnet]:
        net, physnet = self._plan.site.tenant.network, self._plan.site.networks.tenant.physnet
        network = openstack.networking.Network(
            f"{self._name}-network",
            name=net.name,
            shared=True,
            admin_state_up=True,
            segments=[
                openstack.networking.NetworkSegmentArgs(
                    physical_network=physnet, network_type="vlan", segmentation_id=net.vlan
                )
            ],
            opts=self._child(*self._after),
        )
        subnet = openstack.networking.Subnet(
            f"{self._name}-subnet",
            name=net.subnet,
            network_id=network.id,
            cidr=str(net.cidr),
            ip_version=4,
            enable_dhcp=True,
            dns_nameservers=[str(address) for address in net.dns],
            opts=self._child(),
        )
        return network, subnet

    def _port(self, vm: Instance) -> openstack.networking.Port:
        return openstack.networking.Port(
            f"{self._name}-{vm.port}",
            name=vm.port,
            network_id=self.network.id,
            admin_state_up=True,
            fixed_ips=[openstack.networking.PortFixedIpArgs(subnet_id=self.subnet.id)],
            binding=openstack.networking.PortBindingArgs(vnic_type="direct"),
            opts=pulumi.ResourceOptions.merge(
                self._child(replace_first=True),
                pulumi.ResourceOptions(ignore_changes=["binding.profile", "extraDhcpOptions"]),
            ),
        )

    def _instance(self, vm: Instance) -> openstack.compute.Instance:
        return openstack.compute.Instance(
            f"{self._name}-{vm.name}",
            name=vm.name,
            flavor_id=self.flavor.id,
            image_id=self._images.images[vm.image].id,
            availability_zone=f"nova:{self._plan.host(vm.compute).hostname}",
            networks=[openstack.compute.InstanceNetworkArgs(port=self.ports[vm.name].id)],
            opts=self._child(replace_first=True),
        )

    def _membership(self) -> PKeyGate:
        """T6: the tenant's PKey at UFM has the VMs' VFs and the controllers, put there by Neutron's driver."""
        vfs = {f"{vm}/vf": port.mac_address.apply(vf_guid) for vm, port in self.ports.items()}

        def members(plan: Plan) -> dict[str, pulumi.Input[str]]:
            return {**{f"{host.name}/{plan.interface}": host.guid for host in plan.controllers}, **vfs}

        return PKeyGate(
            f"{self._name}-pkey",
            pkey=self._plan.tenant_pkey,
            members=self._known(members),
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(self.instances.values())),
        )

    @property
    def summary(self) -> dict[str, dict[str, pulumi.Output[str]]]:
        """For the stack's outputs: status and fixed address of each instance."""
        return {
            vm: {
                "status": instance.power_state.apply(lambda state: (state or "").upper()),
                "address": self.ports[vm].all_fixed_ips.apply(lambda ips: ips[0]),
            }
            for vm, instance in self.instances.items()
        }


def vf_guid(mac: str) -> str:
    """The GUID that networking-mlnx derives from a port's address: fa:16:3e:aa:bb:cc → fa163e0000aabbcc."""
    digits = mac.replace(":", "").lower()
    return f"{digits[:6]}0000{digits[6:]}"
