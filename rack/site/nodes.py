"""Configuration of the overcloud's bare-metal nodes (D1, C6, O1)."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from rack.site.model import Address, Model
from rack.site.names import Guid, Label, Mac, User


class Role(StrEnum):
    """Roles of the overcloud, with TripleO's names (O1)."""

    CONTROLLER = "Controller"
    COMPUTE = "ComputeSriovIB"


class Ipmi(Model):
    """Management controller of the node (C6)."""

    address: Address
    """Address on the IPMI network."""
    user: User = "admin"
    """User with the password of the node in `ipmiPasswords`, else `ipmiPassword`."""


class Node(Model):
    """Bare-metal node of the overcloud (D1)."""

    name: Label
    """Name in ironic, such as controller-1 (C6)."""
    role: Role
    """Role in the overcloud (O1)."""
    address: Address
    """Fixed address on the provisioning network, outside its ranges (NET004)."""
    guid: Guid | None = None
    """GUID of the HCA's first port, the only wired one (D6). Introspection compares it with the node's. If omitted,
    introspection determines it (I1)."""
    index: Annotated[int, Field(ge=0, le=9999)] | None = None
    """Number within the role; part of the host name, so it never changes once the node is deployed. If omitted, the
    index of the previous node of the role plus one: write it where the previous node is removed (NODE003)."""
    mac: Mac
    """MAC address of the interface that the node boots from."""
    ipmi: Ipmi
