"""Design rules of the computes' hardware."""

from rack.rules.compute import PLAIN_GPUS, SRIOV_GPUS
from tests.rack.rules.cases import Edits, broken, broken_test, valid_test

TYPE = "compute.gpu.deviceType"


def gpu(device_type: str, product: str, vendor: str = "10de") -> Edits:
    return {TYPE: device_type, "compute.gpu.vendorId": vendor, "compute.gpu.productId": product}


ARGS = "compute.kernelArgs"

BROKEN = [
    *(broken("KERN001", ARGS, {ARGS: given}) for given in ("", "iommu=pt", "amd_iommu=off iommu=pt", "quiet")),
    broken("KERN001", ARGS, {ARGS: "amd_iommu=on iommu=off"}),
    *(broken("GPU001", TYPE, gpu("type-PCI", product)) for product in SRIOV_GPUS),
    *(broken("GPU001", TYPE, gpu("type-PF", product)) for product in PLAIN_GPUS),
]
VALID: list[Edits] = [
    {ARGS: "intel_iommu=on iommu=pt"},
    {ARGS: "intel_iommu=on,sm_on iommu=pt"},
    {ARGS: "quiet amd_iommu=on"},
    *(gpu("type-PF", product) for product in SRIOV_GPUS),
    *(gpu("type-PCI", product) for product in PLAIN_GPUS),
    gpu("type-PCI", "fffe"),  # Not known.
    gpu("type-PF", "fffe"),
    gpu("type-PCI", "20f1", vendor="1002"),  # Another vendor's numbers.
]


test_a_broken_site_breaks_one_rule_at_its_paths = broken_test(BROKEN)
test_a_valid_site_has_no_findings = valid_test(VALID)


def test_the_guides_gpu_is_a_physical_function() -> None:
    assert "20f1" in SRIOV_GPUS
