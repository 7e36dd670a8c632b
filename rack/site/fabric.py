"""Configuration of the InfiniBand fabric: the switch and the nodes' interface (D1, O2)."""

from pydantic import Field

from rack.site.model import Model
from rack.site.names import Guid, IbInterface, Label, Name


class Switch(Model):
    """Managed InfiniBand switch (D1)."""

    name: Label
    """Node description on the fabric."""
    guid: Guid
    """System GUID."""
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
