"""Design rules of the networks: ranges, gateways and fixed addresses (D3, D5, C2, O1, O4, X1)."""

from collections.abc import Iterator
from ipaddress import IPv4Address
from itertools import combinations

from rack.rules.common import (
    duplicates,
    entered,
    fixed_addresses,
    gateways,
    outside,
    pools,
    reached,
    servers,
    site_networks,
    sound_pools,
    sources,
)
from rack.rules.registry import Finding, rule
from rack.site import Range, Role, Site
from rack.site.model import LOOPBACK


@rule("NET001", "D3", "No two networks overlap.")
def networks_apart(site: Site) -> Iterator[Finding]:
    """Compare every pair of networks."""
    for (one, a), (other, b) in combinations(site_networks(site), 2):
        if a.overlaps(b):
            yield Finding(other, f"{b}, which overlaps {one} {a}", "write a network that overlaps no other")


@rule(
    "NET002",
    "D3",
    "Each range and each gateway lies inside its network. No range contains the gateway or ends before it starts.",
)
def ranges_inside(site: Site) -> Iterator[Finding]:
    """Check each range, then each gateway."""
    for path, pool, cidr, gateway in pools(site):
        if pool.start > pool.end:
            yield Finding(path, str(pool), "write the lower address as start")
        if gateway and gateway in pool:
            yield Finding(path, f"{pool}, which contains the gateway {gateway}", "write a range without the gateway")
        yield from outside([(f"{path}.start", pool.start), (f"{path}.end", pool.end)], cidr, "the network")
    for path, address, cidr in gateways(site):
        yield from outside([(path, address)], cidr, "the network")


@rule("NET003", "C2", "The DHCP and inspection ranges of the provisioning network do not overlap.")
def provisioning_ranges(site: Site) -> Iterator[Finding]:
    """Compare the two ranges."""
    p = site.networks.provisioning
    if p.dhcp.overlaps(p.inspection):
        found = f"{p.inspection}, which overlaps dhcp {p.dhcp}"
        yield Finding("networks.provisioning.inspection", found, "write a range outside dhcp")


@rule(
    "NET004",
    "D5",
    "UFM, the switch, the undercloud (with the two addresses after its own) and the nodes have unique addresses on the "
    "provisioning network, outside its ranges.",
)
def addresses_unique(site: Site) -> Iterator[Finding]:
    """Check each fixed address against the network, its ranges and the other addresses."""
    p, fixed = site.networks.provisioning, fixed_addresses(site)
    yield from outside(fixed, p.cidr, "the provisioning network")
    ranges = [pool for pool in sound_pools(site) if pool.network == p.cidr]
    for path, address in fixed:
        for pool in ranges:
            if address in pool.range and pool.path.startswith("networks.provisioning."):
                found = f"{address}, which is in the {pool.path.rpartition('.')[2]} range {pool.range}"
                yield Finding(path, found, "write an address outside it")
    if p.gateway != site.undercloud.address:  # The undercloud may be the gateway.
        fixed.append(("networks.provisioning.gateway", p.gateway))
    for path, address in duplicates(fixed):
        yield Finding(path, f"{address} more than once", "write a unique address")


@rule("NET005", "D3", "The control networks InternalApi and Storage exist: both roles use them.")
def control_networks(site: Site) -> Iterator[Finding]:
    """Look for the two networks."""
    for name in ("InternalApi", "Storage"):
        if name not in site.networks.control:
            yield Finding(f"networks.control.{name}", "no such network", "add it")


@rule(
    "NET006",
    "O1",
    "Each range has one address per node on its network, plus one for the virtual IP (except for inspection).",
)
def ranges_large_enough(site: Site) -> Iterator[Finding]:
    """Compare the size of each range with the number of nodes that take an address from it."""
    n, every = site.networks, len(site.nodes)
    controllers = sum(node.role == Role.CONTROLLER for node in site.nodes)
    ranges: list[tuple[str, Range, int]] = [
        ("networks.provisioning.dhcp", n.provisioning.dhcp, every + 1),
        ("networks.provisioning.inspection", n.provisioning.inspection, every),
        ("networks.external.pool", n.external.pool, controllers + 1),
        *(
            (f"networks.control.{name}.pool", net.pool, (controllers if name == "StorageMgmt" else every) + 1)
            for name, net in n.control.items()
        ),
    ]
    for path, pool, needed in ranges:
        if 0 < pool.size < needed:  # A range that ends before it starts is reported by NET002 only.
            yield Finding(path, f"{pool} with a size of {pool.size}", f"write a range of at least {needed}")


@rule("NET007", "X1", "The public network equals `networks.external`, gateway included, or overlaps no other network.")
def public_network(site: Site) -> Iterator[Finding]:
    """Compare the public network with the external network, then with all networks."""
    if not site.external_access:
        return
    public, external = site.external_access.network, site.networks.external
    if public.cidr == external.cidr:
        if public.gateway != external.gateway and public.gateway in public.cidr:
            yield Finding("externalAccess.network.gateway", str(public.gateway), f"write {external.gateway}")
        return
    for path, network in site_networks(site):
        if public.cidr.overlaps(network):
            yield Finding(
                "externalAccess.network.cidr",
                f"{public.cidr}, which overlaps {path} {network}",
                f"write {external.cidr}, or a network that overlaps no other",
            )


@rule("NET008", "X1", "The controllers' pool on the external network and the floating IP pool do not overlap.")
def external_pools(site: Site) -> Iterator[Finding]:
    """Compare the two pools."""
    pool = site.networks.external.pool
    if site.external_access and site.external_access.network.pool.overlaps(pool):
        found = f"{site.external_access.network.pool}, which overlaps networks.external.pool {pool}"
        yield Finding("externalAccess.network.pool", found, "write a range outside networks.external.pool")


@rule("NET009", "O4", "The tenants' physical network is not named `datacentre`: TripleO uses that name for br-ex.")
def physnet_names(site: Site) -> Iterator[Finding]:
    """Compare the name with TripleO's."""
    if site.networks.tenant.physnet == "datacentre":
        yield Finding("networks.tenant.physnet", "'datacentre'", "write another name, such as ibnet")


@rule(
    "NET010",
    "C2",
    "Name servers and time servers have an address of their own: no loopback address, no node's, and in no range.",
)
def servers_apart(site: Site) -> Iterator[Finding]:
    """Check each server's address. An address of the provisioning network is never loopback."""
    for path, address in servers(site):
        for used in _users(site, path, address):
            yield Finding(path, f"{address}, which is {used}", "write the address of a server")
        for pool in sound_pools(site):
            if address in pool.range:
                found = f"{address}, which is in {pool.path} {pool.range}"
                yield Finding(path, found, "write an address outside it")
    for i, name in enumerate(site.networks.provisioning.ntp):
        if name.partition(".")[0] == "localhost":
            yield Finding(f"networks.provisioning.ntp[{i}]", f"{name!r}, the host itself", "write the name of a server")


def _users(site: Site, path: str, address: IPv4Address) -> Iterator[str]:
    """Yield what has the address of a server already."""
    yield from (node.name for node in site.nodes if node.address == address)
    if path.startswith("tenant.") and address == site.tenant.network.cidr[1]:
        yield "the network's router"
    if address.is_loopback and address not in site.networks.provisioning.cidr:
        yield "the host itself"


@rule(
    "NET011",
    "T2",
    "The tenant's network has an address for each instance, each controller (DHCP) and the router; the public pool has "
    "one for each floating IP and the router.",
)
def tenant_networks_large_enough(site: Site) -> Iterator[Finding]:
    """Compare both sizes with the number of addresses that Neutron takes."""
    tenant, access = site.tenant, site.external_access
    needed = len(tenant.instances) + sum(node.role == Role.CONTROLLER for node in site.nodes) + 1
    have = tenant.network.cidr.num_addresses - 2
    if have < needed:
        found = f"{tenant.network.cidr} with {have} addresses"
        yield Finding("tenant.network.cidr", found, f"write a network with at least {needed}")
    if access and 0 < access.network.pool.size < len(access.floating_ips) + 1:
        found = f"{access.network.pool} with a size of {access.network.pool.size}"
        yield Finding("externalAccess.network.pool", found, f"write a range of at least {len(access.floating_ips) + 1}")


@rule(
    "NET012",
    "C1",
    "The hosts that SSH enters, bastion and builder included, have no node's address and none of a range. UFM's host "
    "and the undercloud are two hosts.",
)
def entered_hosts_apart(site: Site) -> Iterator[Finding]:
    """Compare each address with the nodes' and with the ranges, then the two hosts."""
    nodes = {node.address: node.name for node in site.nodes}
    for path, address in entered(site):
        users = [f"the address of {nodes[address]}"] if address in nodes and path != "builder.address" else []
        users += [f"in {pool.path}" for pool in sound_pools(site) if address in pool.range]
        if users:
            yield Finding(path, f"{address}, which is {users[0]}", "write the host's own address")
    if site.ufm.host and site.ufm.ssh_address == site.undercloud.ssh_address:
        path = "undercloud.managementAddress" if site.undercloud.management_address else "ufm.host.managementAddress"
        found = f"{site.ufm.ssh_address} for UFM's host and the undercloud"
        if site.ufm.address != site.undercloud.address:  # Reported by NET004
            yield Finding(path, found, "write the host's own address")


@rule(
    "NET013",
    "D5",
    "No host has the network's or the broadcast address of a network in the configuration.",
)
def no_broadcast_addresses(site: Site) -> Iterator[Finding]:
    """Compare each address with both ends of each network."""
    ends = {end: (path, net) for path, net in site_networks(site) for end in (net[0], net[-1])}
    for path, address in reached(site):
        if address in ends:
            name, network = ends[address]
            kind = "network" if address == network[0] else "broadcast"
            yield Finding(path, f"{address}, the {kind} address of {name} {network}", "write the address of a host")


@rule(
    "NET014",
    "D3",
    "The overcloud's nodes alone are on the control networks: nothing that other hosts reach has an address there.",
)
def control_networks_isolated(site: Site) -> Iterator[Finding]:
    """Look for addresses of other hosts in the networks over IPoIB, which no router connects."""
    for path, address in reached(site):
        for name, network in site.networks.control.items():
            ends = (network.cidr[0], network.cidr[-1])  # Reported by NET013; addresses of the pool by other rules
            if address in network.cidr and address not in ends and address not in network.pool:
                found = f"{address}, which is in networks.control.{name}.cidr {network.cidr}"
                yield Finding(path, found, "write an address outside it")


@rule(
    "NET015",
    "D3",
    "No host is reached at a loopback address. The embedded lab, whose provisioning network is one of loopback "
    "addresses, is excepted.",
)
def no_loopback(site: Site) -> Iterator[Finding]:
    """Look for loopback addresses and the name localhost. Those of servers are reported by NET010."""
    if site.networks.provisioning.cidr.overlaps(LOOPBACK):
        return
    checked = {path for path, _ in servers(site)}
    hosts = [(path, str(address)) for path, address in reached(site)] + list(sources(site))
    for path, host in dict.fromkeys(hosts):
        if path not in checked and (host.startswith("127.") or host.rpartition(".")[2] == "localhost"):
            yield Finding(path, f"{host}, which is the host itself", "write the address that other hosts reach")
