"""Configuration of the adapters' firmware (H1 to H3, B1)."""

from typing import Literal

from pydantic import Field

from rack.site.model import Model
from rack.site.names import FirmwareRelease, ParameterName, PciAddress
from rack.site.nodes import Role


class FirmwareParameter(Model):
    """Firmware parameter that the guide does not set (FW001)."""

    role: Role
    """Role of the nodes whose adapters get the parameter."""
    name: ParameterName
    """Name, as `mstconfig query` lists it."""
    value: int = Field(ge=0, le=2**32 - 1)
    """Number that `mstconfig query` shows: 1 for `True(1)`."""


class FirmwareSpec(Model):
    """Firmware of the adapters, and how a change of it affects a cloud in use (H1 to H3, B1)."""

    tool: Literal["auto", "mstconfig", "mlxconfig"] = "auto"
    """Tool that sets the firmware: mstconfig (mstflint, as in the guide) or mlxconfig (MFT). auto: the one that is on
    the host; if neither is there, mstflint is installed."""
    controller_hca: PciAddress | None = None
    """PCI address of the controllers' adapter (H1). If omitted, `compute.hca`."""
    minimum_release: FirmwareRelease | None = None
    """Oldest firmware release that is accepted (H1). If omitted, every release is accepted."""
    parameters: tuple[FirmwareParameter, ...] = ()
    max_unavailable: int = Field(default=1, ge=1, le=1000)
    """Number of computes that reboot at the same time (a wave). Controllers always reboot one by one."""
    instances: Literal["refuse", "drain"] = "refuse"
    """What happens to instances on a compute that must reboot. refuse: report them and change nothing. drain: disable
    the compute for new instances and wait until the present ones are deleted. Instances with a passed-through GPU or VF
    cannot be migrated (B1)."""
    drain_minutes: int = Field(default=480, ge=1, le=10080)
    """Minutes that drain waits in one run. The next run continues to wait."""
    reboot_minutes: int = Field(default=30, ge=1, le=240)
    """Minutes until SSH on a rebooted node answers, and again until its services are healthy."""
