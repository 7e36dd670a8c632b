"""Configuration of the guest images (G1, G2)."""

from rack.site.model import File, Model
from rack.site.names import Label, Name


class Image(Model):
    """Guest image, built by disk-image-create (G1, G2) or supplied as a file."""

    name: Label
    """Name in Glance, and of the file."""
    elements: tuple[Name, ...] = ()
    """Elements for disk-image-create, in order."""
    file: File | None = None
    """Path of a qcow2 image on the machine that runs pulumi, instead of a build. A changed image needs a new path."""
    release: Name = "8-stream"
    """DIB_RELEASE for disk-image-create."""
    gpu_builder: bool = False
    """Whether the elements need a build host with a CUDA GPU (G2)."""
