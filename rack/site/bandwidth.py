"""Configuration of the bandwidth test (B4 to B6)."""

from pydantic import Field

from rack.site.model import Model
from rack.site.names import Name


class BandwidthSpec(Model):
    """GPUDirect RDMA test between two instances (B4 to B6)."""

    server: Name
    """Name of the instance that runs the server."""
    client: Name
    """Name of the instance that runs the client, on another compute (BW001)."""
    size: int = Field(default=32768, ge=2, le=8388608)
    """Message size in bytes."""
    cuda: bool = True
    """true: use GPU memory. false: use host memory."""
    minimum_gbps: float = Field(default=190.0, gt=0, le=400)
    """Lowest average that passes, in Gb/s. The guide measured 194.23 of 200; the default allows 2 % less."""
    clock_mhz: int | None = Field(default=None, ge=210, le=1410)
    """Frequency in MHz at which the GPU clock is locked, if the result needs it. 1410 is the A100's maximum. If
    omitted, the clock is not locked."""
