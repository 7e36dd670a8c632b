"""Base class of the configuration models, and field types that several models use."""

import os
import re
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from rack.site import patterns
from rack.site.names import Kind, Spelling, is_host

NAME_MAX = 255
"""Longest name of a file or folder in Linux, in bytes."""


class Model(BaseModel):
    """Immutable configuration model that refuses unknown keys. Keys are camelCase in YAML."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )


def _unicast(address: IPv4Address) -> IPv4Address:
    if not is_host(address):
        raise ValueError(f"found {address}; write the address of a host")
    return address


SPECIAL = tuple(map(IPv4Network, ("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")))
"""Addresses that no interface has: this network, link-local, multicast and reserved ones (RFC 6890)."""
LOOPBACK = IPv4Network("127.0.0.0/8")


def _roomy(network: IPv4Network) -> IPv4Network:
    if not 8 <= network.prefixlen <= 30:
        raise ValueError(f"found {network}; write a network with a prefix from /8 to /30")
    special = next((one for one in SPECIAL if network.overlaps(one)), None)
    if special:
        raise ValueError(f"found {network}, with addresses of {special} that no host may have; write another network")
    return network


def _routable(network: IPv4Network) -> IPv4Network:
    if network.overlaps(LOOPBACK):
        raise ValueError(f"found {network}, whose addresses never leave a host; write another network")
    return network


def _file(path: Path) -> Path:
    if not path.name or "\0" in str(path):
        raise ValueError
    if re.match(r"[a-z+]+:/", str(path)):
        raise ValueError("not a URL")
    if "\n" in str(path):
        raise ValueError("the path of a file, not its content")
    if any(len(os.fsencode(part)) > NAME_MAX for part in path.parts):
        raise ValueError(f"a name in a path has at most {NAME_MAX} bytes")
    try:
        path.expanduser()
    except RuntimeError:
        raise ValueError(f"found {str(path)!r}, of a user without a home on this machine; write the path out") from None
    return path


def _unlike(addresses: tuple[IPv4Address, ...]) -> tuple[IPv4Address, ...]:
    twice = next((one for i, one in enumerate(addresses) if one in addresses[:i]), None)
    if twice:
        raise ValueError(f"found {twice} more than once; write it once: Neutron refuses duplicates")
    return addresses


Address = Annotated[IPv4Address, AfterValidator(_unicast), Spelling(patterns.ADDRESS)]
"""Unicast IPv4 address."""
LabCidr = Annotated[IPv4Network, AfterValidator(_roomy), Spelling(patterns.NETWORK)]
"""Network of /8 to /30, without host bits. The embedded lab's provisioning network is a loopback network."""
Cidr = Annotated[IPv4Network, AfterValidator(_roomy), AfterValidator(_routable), Spelling(patterns.ROUTABLE)]
"""Network of /8 to /30, without host bits, whose addresses leave a host."""
File = Annotated[
    Path, AfterValidator(_file), Kind("a path, from the project's folder or from `~`"), Spelling(patterns.PATH)
]
"""Path on the machine that runs pulumi."""
Vlan = Annotated[int, Field(ge=1, le=4094)]
NameServers = Annotated[tuple[Address, ...], Field(max_length=5), AfterValidator(_unlike)]
"""Different name servers, at most five: the limit of a subnet in Neutron (max_dns_nameservers)."""
TcpPort = Annotated[int, Field(ge=1, le=65535)]
