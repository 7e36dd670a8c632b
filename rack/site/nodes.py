"""The bare-metal nodes of the overcloud (D1, C6, O1)."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from rack.site.model import Address, Model
from rack.site.names import Guid, Label, Mac, User


class Role(StrEnum):
    """The overcloud's roles, named as TripleO names them (O1)."""

    CONTROLLER = "Controller"
    COMPUTE = "ComputeSriovIB"


class Ipmi(Model):
    """A node's management controller (C6)."""

    address: Address
    """On the IPMI network."""
    user: User = "admin"
    """Whose password `ipmiPassword` is."""


class Node(Model):
    """A bare-metal node of the overcloud (D1)."""

    name: Label
    """As the inventory calls it, like controller-1 (C6)."""
    role: Role
    """What TripleO makes of it (O1)."""
    address: Address
    """On the provisioning network, outside of its ranges; given to the node for good."""
    guid: Guid | None = None
    """Port GUID of the HCA's first port, the only wired one (D6). Introspection compares it; left out, it is found by
    introspection (I1)."""
    index: Annotated[int, Field(ge=0, le=9999)] | None = None
    """Its number within its role: a deployed host is called after it for good. Left out: one more than that of the node
    before it, so that it is needed where that one has left (NODE003)."""
    mac: Mac
    """Of the interface it boots from."""
    ipmi: Ipmi
