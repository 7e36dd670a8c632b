"""Configuration of the InfiniBand fabric: the switch and the nodes' interface (D1, O2)."""

from pydantic import Field

from rack.site.model import Address, Model
from rack.site.names import Guid, IbInterface, Label, Name


class Switch(Model):
    """Managed InfiniBand switch (D1)."""

    name: Label
    """Node description on the fabric."""
    guid: Guid
    """System GUID."""
    address: Address | None = None
    """Management address on the provisioning network, outside its ranges (D5). If omitted, NET004 cannot compare it
    with the other addresses."""
    model: Name = "MQM8700"
    """Part number."""
    ports: int = Field(default=40, ge=2, le=64)
    """Number of ports."""


class FabricSpec(Model):
    """InfiniBand fabric of a single rack (D1)."""

    switch: Switch
    interface: IbInterface | None = None
    """Linux name of the overcloud nodes' IPoIB interface on the wired port: ib2 in the guide (O2). Introspection
    compares the name with the nodes'. If omitted, introspection determines it."""
