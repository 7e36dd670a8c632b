"""Design rules of the guest images (G1)."""

from collections.abc import Iterator

from rack.rules.common import duplicates
from rack.rules.registry import Finding, rule
from rack.site import Site


@rule("IMG001", "G1", "Image names are unique.")
def images_unique(site: Site) -> Iterator[Finding]:
    """Look for names that several images have."""
    for path, name in duplicates((f"images[{i}].name", image.name) for i, image in enumerate(site.images)):
        yield Finding(path, f"{name!r} more than once", "write a unique name")


@rule("IMG002", "G1", "An image has either elements, of which it is built, or a file.")
def image_sources(site: Site) -> Iterator[Finding]:
    """Report images with both and images with neither."""
    for i, image in enumerate(site.images):
        if image.elements and image.file:
            yield Finding(f"images[{i}].file", f"{str(image.file)!r} beside elements", "write one of the two")
        elif not image.elements and not image.file:
            yield Finding(f"images[{i}].elements", "none, and no file", "write elements, or the file of an image")
