"""The bandwidth test (B4 to B6)."""

from pydantic import Field

from rack.site.model import Model
from rack.site.names import Name


class BandwidthSpec(Model):
    """The GPUDirect RDMA test between two instances (B4 to B6)."""

    server: Name
    """An instance."""
    client: Name
    """An instance on another compute."""
    size: int = Field(default=32768, ge=2, le=8388608)
    """Message size in bytes."""
    cuda: bool = True
    """Memory of the GPU, else of the host."""
    minimum_gbps: float = Field(default=190.0, gt=0, le=400)
    """Gb/s. The guide measured 194.23 of 200; the default leaves 2 % for the server's build."""
    clock_mhz: int | None = Field(default=None, ge=210, le=1410)
    """Lock the GPU clock, in MHz; only where the result needs it, never above the A100's 1410."""
