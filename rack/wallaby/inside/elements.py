"""Image elements (G1, G2): those of diskimage-builder, and the vendor's, which undercloud.elementsPath must contain."""

import importlib.resources
from difflib import get_close_matches

VENDOR = frozenset(
    ("cloud-init-config", "cloud-init-net-conf-disabled", "rdma-core", "mofed", "cuda", "gpudirect-bench",
     "dhclient-hw")
)  # fmt: skip
"""The elements of the vendor's how-to, which diskimage-builder does not contain."""


def run(request):
    """Check the elements of each image; `own` are those that diskimage-builder does not contain."""
    stock = {folder.name for folder in importlib.resources.files("diskimage_builder").joinpath("elements").iterdir()}
    known = sorted(stock | VENDOR)
    findings = []
    for image, elements in request["elements"].items():
        for name in elements:
            close = [] if name in known else get_close_matches(name, known, n=1)
            if close:
                findings.append(["rack:site", f"images {image}: elements: found {name}; write {close[0]}"])
    own = sorted({name for elements in request["elements"].values() for name in elements} - stock)
    return {"findings": findings, "own": own}
