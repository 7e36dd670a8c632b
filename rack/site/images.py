"""Guest images (G1, G2)."""

from rack.site.model import File, Model
from rack.site.names import Label, Name


class Image(Model):
    """A guest image, built by disk-image-create (G1, G2) or brought as a file."""

    name: Label
    """Its name in Glance and of its file."""
    elements: tuple[Name, ...] = ()
    """disk-image-create's elements, in order."""
    file: File | None = None
    """A finished qcow2, on the machine that runs pulumi: nothing is built then. Another image has another path."""
    release: Name = "8-stream"
    """DIB_RELEASE."""
    gpu_builder: bool = False
    """Its elements need a build host with a CUDA GPU (G2)."""
