"""Design rules of the computes' hardware."""

import pytest

from rack.rules.compute import PLAIN_GPUS, SRIOV_GPUS
from tests.rack.rules.cases import Broken, Edits, assert_breaks_one_rule, assert_valid, broken, name

TYPE = "compute.gpu.deviceType"


def gpu(device_type: str, product: str, vendor: str = "10de") -> Edits:
    return {TYPE: device_type, "compute.gpu.vendorId": vendor, "compute.gpu.productId": product}


BROKEN = [
    *(broken("GPU001", TYPE, gpu("type-PCI", product)) for product in SRIOV_GPUS),
    *(broken("GPU001", TYPE, gpu("type-PF", product)) for product in PLAIN_GPUS),
]
VALID: list[Edits] = [
    *(gpu("type-PF", product) for product in SRIOV_GPUS),
    *(gpu("type-PCI", product) for product in PLAIN_GPUS),
    gpu("type-PCI", "ffff"),  # Not known.
    gpu("type-PF", "ffff"),
    gpu("type-PCI", "20f1", vendor="1002"),  # Another vendor's numbers.
]


@pytest.mark.parametrize("case", BROKEN, ids=name)
def test_a_broken_site_breaks_one_rule_at_its_paths(case: Broken) -> None:
    assert_breaks_one_rule(case)


@pytest.mark.parametrize("edits", VALID, ids=name)
def test_a_valid_site_has_no_findings(edits: Edits) -> None:
    assert_valid(edits)


def test_the_guides_gpu_is_a_physical_function() -> None:
    assert "20f1" in SRIOV_GPUS
