"""Shared helpers of the checks."""

from collections import Counter
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

from rack.distribution import registry_of
from rack.rules.registry import Finding
from rack.site import Range, Site

T = TypeVar("T")


def outside(addresses: Iterable[tuple[str, IPv4Address]], network: IPv4Network, name: str) -> Iterator[Finding]:
    """Yield a finding per address, given with its path, that is not a host address of the network."""
    reserved = (network.network_address, network.broadcast_address)
    for path, address in addresses:
        if address not in network or address in reserved:
            yield Finding(path, str(address), f"write a host address of {name} {network}")


def duplicates(values: Iterable[tuple[str, T]]) -> Iterator[tuple[str, T]]:
    """Return the values, with their paths, that are there more than once: all occurrences, in their order."""
    listed = list(values)
    count = Counter(value for _, value in listed)
    return ((path, value) for path, value in listed if count[value] > 1)


def one_of(names: Iterable[str], key: str) -> str:
    """Return the advice to write one of the names, or to add one under `key` where there are none."""
    listed = sorted(names)
    return f"write one of {', '.join(listed)}" if listed else f"add it to {key}"


class Pool(NamedTuple):
    """A range of addresses in the configuration."""

    path: str
    range: Range
    network: IPv4Network
    gateway: IPv4Address | None
    """Gateway of the network, if it has one."""


def pools(site: Site) -> list[Pool]:
    """Return every range of addresses."""
    p, e, x = site.networks.provisioning, site.networks.external, site.external_access
    control = site.networks.control.items()
    return [
        Pool("networks.provisioning.dhcp", p.dhcp, p.cidr, p.gateway),
        Pool("networks.provisioning.inspection", p.inspection, p.cidr, p.gateway),
        Pool("networks.external.pool", e.pool, e.cidr, e.gateway),
        *(Pool(f"networks.control.{name}.pool", net.pool, net.cidr, None) for name, net in control),
        *([Pool("externalAccess.network.pool", x.network.pool, x.network.cidr, x.network.gateway)] if x else []),
    ]


def sound_pools(site: Site) -> list[Pool]:
    """Return the ranges that lie in their network. Rules on addresses ignore the others, which NET002 reports."""
    return [pool for pool in pools(site) if all(end in pool.network for end in (pool.range.start, pool.range.end))]


def gateways(site: Site) -> list[tuple[str, IPv4Address, IPv4Network]]:
    """Return every gateway with its path and its network."""
    p, e, x = site.networks.provisioning, site.networks.external, site.external_access
    return [
        ("networks.provisioning.gateway", p.gateway, p.cidr),
        ("networks.external.gateway", e.gateway, e.cidr),
        *([("externalAccess.network.gateway", x.network.gateway, x.network.cidr)] if x else []),
    ]


def servers(site: Site) -> list[tuple[str, IPv4Address]]:
    """Return the addresses of name servers and time servers with their paths. Time servers with a name are omitted."""
    p, tenant = site.networks.provisioning, site.tenant.network
    ntp = [(f"networks.provisioning.ntp[{i}]", server) for i, server in enumerate(p.ntp)]
    return [
        *((f"networks.provisioning.dns[{i}]", address) for i, address in enumerate(p.dns)),
        *((path, IPv4Address(server)) for path, server in ntp if server.rpartition(".")[2].isdigit()),
        *((f"tenant.network.dns[{i}]", address) for i, address in enumerate(tenant.dns)),
    ]


def fixed_addresses(site: Site) -> list[tuple[str, IPv4Address]]:
    """Return the fixed addresses of hosts and switch on the provisioning network with their paths (D5)."""
    undercloud, switch = site.undercloud, site.fabric.switch
    following = [undercloud.public_address, undercloud.admin_address]
    if undercloud.address not in site.networks.provisioning.cidr:
        following = []  # One finding is enough
    return [
        ("ufm.address", site.ufm.address),
        ("undercloud.address", undercloud.address),
        *(("undercloud.address", address) for address in following),
        *((f"nodes[{i}].address", n.address) for i, n in enumerate(site.nodes)),
        *([("fabric.switch.address", switch.address)] if switch.address else []),
    ]


def entered(site: Site) -> list[tuple[str, IPv4Address]]:
    """Return the addresses at which SSH enters hosts, with their paths, where they are configured beside the others."""
    host, proxy, builder = site.ufm.host, site.ssh.proxy, site.builder
    found = {
        "ufm.host.managementAddress": host and host.management_address,
        "undercloud.managementAddress": site.undercloud.management_address,
        "ssh.proxy.address": proxy and proxy.address,
        "builder.address": builder and builder.address,
    }
    return [(path, address) for path, address in found.items() if address]


def reached(site: Site) -> list[tuple[str, IPv4Address]]:
    """Return the addresses beside those of NET004 that the site's hosts reach, with their paths.

    These are the addresses of BMCs, servers, hosts that SSH enters, mirrors and registries.
    """
    bmcs = [(f"nodes[{i}].ipmi.address", node.ipmi.address) for i, node in enumerate(site.nodes)]
    named = [(path, IPv4Address(host)) for path, host in sources(site) if host.rpartition(".")[2].isdigit()]
    return [*bmcs, *servers(site), *entered(site), *named]


def urls(site: Site) -> Iterator[tuple[str, str]]:
    """Yield the URLs of repositories and packages with their paths."""
    cloud, host = site.undercloud, site.ufm.host
    for i, repository in enumerate(cloud.repositories):
        for key, url in (("baseurl", repository.baseurl), ("gpgkey", repository.gpgkey)):
            if url:
                yield f"undercloud.repositories[{i}].{key}", url
    if cloud.tripleo_repos_url:
        yield "undercloud.tripleoReposUrl", cloud.tripleo_repos_url
    if host and host.install.docker and host.install.docker.repository:
        yield "ufm.host.install.docker.repository", host.install.docker.repository
    if host and host.install.mlnx_ofed:
        yield "ufm.host.install.mlnxOfed.package", host.install.mlnx_ofed.package


def sources(site: Site) -> Iterator[tuple[str, str]]:
    """Yield the hosts of repositories, packages and registries in the configuration with their paths."""
    cloud, ufm = site.undercloud, site.ufm.host
    for path, url in urls(site):
        if host := urlsplit(url).hostname:
            yield path, host
    images = {
        "undercloud.containerNamespace": cloud.container_namespace,
        "undercloud.mlnxContainerNamespace": cloud.mlnx_container_namespace,
        "ufm.host.image": ufm and ufm.image,
        "ufm.host.installerImage": ufm and ufm.installer_image,
    }
    for path, image in images.items():
        if image and (host := registry_of(image).partition(":")[0]):
            yield path, host


def site_networks(site: Site) -> list[tuple[str, IPv4Network]]:
    """Return the rack's and the tenant's networks with their paths. The public network may equal one of them."""
    networks = site.networks
    return [
        ("networks.provisioning.cidr", networks.provisioning.cidr),
        ("networks.external.cidr", networks.external.cidr),
        *((f"networks.control.{name}.cidr", net.cidr) for name, net in networks.control.items()),
        ("tenant.network.cidr", site.tenant.network.cidr),
    ]
