"""The InfiniBand switch and the nodes' interface on it (D1, O2)."""

from pydantic import Field

from rack.site.model import Model
from rack.site.names import Guid, IbInterface, Label, Name


class Switch(Model):
    """A managed InfiniBand switch (D1)."""

    name: Label
    """Its node description on the fabric."""
    guid: Guid
    """System GUID."""
    model: Name = "MQM8700"
    """Its part number."""
    ports: int = Field(default=40, ge=2, le=64)
    """How many it has."""


class FabricSpec(Model):
    """The InfiniBand fabric of a single rack (D1)."""

    switch: Switch
    interface: IbInterface | None = None
    """The overcloud nodes' IPoIB interface on the wired port, as Linux names it: ib2 in the guide (O2). Introspection
    compares it; left out, it finds it."""
