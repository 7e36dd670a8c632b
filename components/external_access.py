"""Access from outside (X1 to X4): public network, router, floating IPs.

What this component enforces: floating IPs with a configured address are created first. For the router's gateway, and
for a floating IP without an address, Neutron picks a random one of the pool's first addresses, which may be a
configured one.
"""

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_openstack as openstack

from components.base import Component
from components.overcloud import Overcloud
from components.owner import Owner
from components.tenant import Tenant
from rack.site import ExternalAccessSpec, FloatingIp


class ExternalAccess(Component):
    """The public network and the floating IPs of the tenant's instances."""

    TYPE = "rack:tenant:ExternalAccess"

    floating_ips: dict[str, pulumi.Output[str]]
    """Address by instance."""

    def __init__(
        self,
        name: str,
        access: ExternalAccessSpec,
        overcloud: Overcloud,
        tenant: Tenant,
        owner: Owner,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Create the network, floating IPs with an address, the router, then the other floating IPs."""
        super().__init__(name, opts)
        self._access, self._tenant, self._mark = access, tenant, owner.mark
        self._provider, self._hooks = overcloud.provider, overcloud.hooks
        self.network, subnet = self._public(overcloud.ready)
        chosen = {ip.instance: self._floating_ip(ip, subnet) for ip in access.floating_ips if ip.address}
        interface = self._router(subnet, *chosen.values())
        rest = {ip.instance: self._floating_ip(ip, interface) for ip in access.floating_ips if not ip.address}
        taken = {**chosen, **rest}
        for ip in access.floating_ips:
            self._associate(ip.instance, taken[ip.instance], interface)
        self.floating_ips = {ip.instance: taken[ip.instance].address for ip in access.floating_ips}
        self.register_outputs({"floatingIps": self.floating_ips})

    def _in_cloud(self, *depends_on: pulumi.Resource, **more: Any) -> pulumi.ResourceOptions:
        """Return the options of a child in the overcloud."""
        return self._child(*depends_on, provider=self._provider, hooks=self._hooks, **more)

    def _public(
        self, after: Sequence[pulumi.Resource]
    ) -> tuple[openstack.networking.Network, openstack.networking.Subnet]:
        net = self._access.network
        network = openstack.networking.Network(
            f"{self._name}-network",
            name=net.name,
            description=self._mark(f"{self._name}-network"),
            external=True,
            admin_state_up=True,
            segments=[openstack.networking.NetworkSegmentArgs(physical_network=net.physnet, network_type="flat")],
            opts=self._in_cloud(*after),
        )
        subnet = openstack.networking.Subnet(
            f"{self._name}-subnet",
            name=net.subnet,
            description=self._mark(f"{self._name}-subnet"),
            network_id=network.id,
            cidr=str(net.cidr),
            ip_version=4,
            enable_dhcp=False,
            gateway_ip=str(net.gateway),
            allocation_pools=[
                openstack.networking.SubnetAllocationPoolArgs(start=str(net.pool.start), end=str(net.pool.end))
            ],
            opts=self._in_cloud(),
        )
        return network, subnet

    def _router(self, *after: pulumi.Resource) -> openstack.networking.RouterInterface:
        """Create the router (X2), which needs the public subnet for its gateway.

        It is not HA: Neutron cannot build the heartbeat network of HA routers over IPoIB.
        """
        router = openstack.networking.Router(
            f"{self._name}-router",
            name=self._access.router,
            description=self._mark(f"{self._name}-router"),
            admin_state_up=True,
            external_network_id=self.network.id,
            value_specs={"ha": "false"},
            opts=self._in_cloud(*after),
        )
        return openstack.networking.RouterInterface(
            f"{self._name}-interface",
            router_id=router.id,
            subnet_id=self._tenant.subnet.id,
            opts=self._in_cloud(),
        )

    def _floating_ip(self, ip: FloatingIp, *after: pulumi.Resource) -> openstack.networking.FloatingIp:
        return openstack.networking.FloatingIp(
            f"{self._name}-{ip.instance}",
            pool=self.network.name,
            description=self._mark(f"{self._name}-{ip.instance}"),
            address=str(ip.address) if ip.address else None,
            opts=self._in_cloud(*after),
        )

    def _associate(
        self, instance: str, floating: openstack.networking.FloatingIp, interface: openstack.networking.RouterInterface
    ) -> None:
        """Associate a floating IP once the router reaches the tenant's subnet; Neutron refuses it earlier."""
        openstack.networking.FloatingIpAssociate(
            f"{self._name}-{instance}-associate",
            floating_ip=floating.address,
            port_id=self._tenant.ports[instance].id,
            # It goes before the router's interface where both are replaced: Neutron keeps one that a floating IP uses.
            opts=self._in_cloud(interface, self._tenant.instances[instance], replace_on_changes=["portId"]),
        )
