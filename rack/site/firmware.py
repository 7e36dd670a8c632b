"""The firmware of the InfiniBand adapters (H1 to H3, B1)."""

from typing import Literal

from pydantic import Field

from rack.site.model import Model
from rack.site.names import FirmwareRelease, ParameterName, PciAddress
from rack.site.nodes import Role


class FirmwareParameter(Model):
    """A parameter of the adapters' firmware beyond the guide's."""

    role: Role
    """Whose adapters have it."""
    name: ParameterName
    """As `mstconfig query` lists it."""
    value: int = Field(ge=0, le=2**32 - 1)
    """The number in `mstconfig query`: 1 where it prints `True(1)`."""


class FirmwareSpec(Model):
    """The adapters' firmware, and what its change may do to a cloud in use (H1 to H3, B1)."""

    tool: Literal["auto", "mstconfig", "mlxconfig"] = "auto"
    """mstflint's, as in the guide, or MFT's. auto: what the host has; where it has neither, mstflint is installed."""
    controller_hca: PciAddress | None = None
    """The controllers' adapter; at `compute.hca` where left out (H1)."""
    minimum_release: FirmwareRelease | None = None
    """Adapters with an older one are refused (H1); any will do where left out."""
    parameters: tuple[FirmwareParameter, ...] = ()
    max_unavailable: int = Field(default=1, ge=1)
    """Computes that may be down at once: a wave. Controllers are always rebooted one by one."""
    instances: Literal["refuse", "drain"] = "refuse"
    """On a compute that must reboot: refuse names them and changes nothing; drain takes no new ones and waits until all
    are gone. With a GPU or VF passed through they cannot be migrated (B1)."""
    drain_minutes: int = Field(default=480, ge=1, le=10080)
    """How long drain waits in one run; the next run goes on."""
    reboot_minutes: int = Field(default=30, ge=1, le=240)
    """Until a rebooted node's SSH answers, and again until its services are healthy."""
