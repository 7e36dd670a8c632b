"""What the checks of several subjects need."""

from collections import Counter
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import TypeVar

from rack.rules.registry import Finding
from rack.site import Site

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


def site_networks(site: Site) -> list[tuple[str, IPv4Network]]:
    """Return the rack's and the tenant's networks with their paths. The public network may equal one of them."""
    networks = site.networks
    return [
        ("networks.provisioning.cidr", networks.provisioning.cidr),
        ("networks.external.cidr", networks.external.cidr),
        *((f"networks.control.{name}.cidr", net.cidr) for name, net in networks.control.items()),
        ("tenant.network.cidr", site.tenant.network.cidr),
    ]
