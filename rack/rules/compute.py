"""Design rules of the computes' hardware (O4, T1)."""

from collections.abc import Iterator

from rack.rules.registry import Finding, rule
from rack.site import Site

IOMMU = ("amd_iommu", "intel_iommu")
NVIDIA = "10de"
SRIOV_GPUS = {
    "20b0": "A100 SXM4 40GB",
    "20b2": "A100 SXM4 80GB",
    "20b5": "A100 PCIe 80GB",
    "20b7": "A30",
    "20f1": "A100 PCIe 40GB",
    "2230": "RTX A6000",
    "2235": "A40",
    "2236": "A10",
    "25b6": "A16",
    "2330": "H100 SXM5 80GB",
    "2331": "H100 PCIe",
    "26b5": "L40",
    "26b9": "L40S",
    "27b8": "L4",
}
"""NVIDIA GPUs with the SR-IOV capability, by PCI device ID."""
PLAIN_GPUS = {
    "1db1": "V100 SXM2 16GB",
    "1db4": "V100 PCIe 16GB",
    "1db5": "V100 SXM2 32GB",
    "1db6": "V100 PCIe 32GB",
    "1eb8": "T4",
}
"""NVIDIA GPUs without it."""


@rule("KERN001", "O4", "The kernel arguments switch the IOMMU on: no instance gets a GPU or a VF without it.")
def iommu_on(site: Site) -> Iterator[Finding]:
    """Look for the argument of one vendor, and for an argument that switches the IOMMU off."""
    given = site.compute.kernel_args
    words = dict(word.partition("=")[::2] for word in given.split())
    options = {key: words.get(key, "").split(",") for key in (*IOMMU, "iommu")}  # intel_iommu=on,sm_on
    off = [f"{key}=off" for key, values in options.items() if "off" in values]
    if off or not any("on" in options[key] for key in IOMMU):
        found = f"{given!r}, {'with ' + off[0] if off else 'without IOMMU'}"
        yield Finding("compute.kernelArgs", found, "write amd_iommu=on iommu=pt, or intel_iommu=on iommu=pt on Intel")


@rule(
    "GPU001",
    "O4",
    "`compute.gpu.deviceType` is what nova records for this GPU: type-PF with the SR-IOV capability, type-PCI without.",
)
def gpu_device_type(site: Site) -> Iterator[Finding]:
    """Compare the type with what is known of the GPU.

    Nova's libvirt driver records a PCI device with the capability `virt_functions` as type-PF, and a request for
    type-PCI never matches it.
    """
    gpu = site.compute.gpu
    if gpu.vendor_id != NVIDIA:
        return
    for known, wanted in ((SRIOV_GPUS, "type-PF"), (PLAIN_GPUS, "type-PCI")):
        name = known.get(gpu.product_id)
        if name and gpu.device_type != wanted:
            yield Finding("compute.gpu.deviceType", f"{gpu.device_type} for an {name}", f"write {wanted}")
