"""Base class of the configuration models, and field types that several models use."""

import os
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


def _roomy(network: IPv4Network) -> IPv4Network:
    if not 8 <= network.prefixlen <= 30:
        raise ValueError(f"found {network}; write a network with a prefix from /8 to /30")
    return network


def _file(path: Path) -> Path:
    if "\n" in str(path):
        raise ValueError("the path of a file, not its content")
    if any(len(os.fsencode(part)) > NAME_MAX for part in path.parts):
        raise ValueError(f"a name in a path has at most {NAME_MAX} bytes")
    try:
        path.expanduser()
    except RuntimeError:
        raise ValueError(f"found {str(path)!r}, of a user without a home on this machine; write the path out") from None
    return path


Address = Annotated[IPv4Address, AfterValidator(_unicast), Spelling(patterns.ADDRESS)]
"""Unicast IPv4 address."""
Cidr = Annotated[IPv4Network, AfterValidator(_roomy), Spelling(patterns.NETWORK)]
"""Network of /8 to /30, without host bits."""
File = Annotated[
    Path, AfterValidator(_file), Kind("a path, from the project's folder or from `~`"), Spelling(patterns.PATH)
]
"""Path on the machine that runs pulumi."""
Vlan = Annotated[int, Field(ge=1, le=4094)]
TcpPort = Annotated[int, Field(ge=1, le=65535)]
