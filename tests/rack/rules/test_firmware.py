"""Design rules of the adapters' firmware."""

import pytest

from tests.rack.rules.cases import Broken, Edits, assert_breaks_one_rule, assert_valid, broken, name

PARAMETER = "firmware.parameters"


def parameters(*named: tuple[str, str]) -> Edits:
    return {"firmware": {"parameters": [{"role": role, "name": name, "value": 1} for role, name in named]}}


BROKEN = [
    broken("FW001", f"{PARAMETER}[0].name", parameters(("ComputeSriovIB", "NUM_OF_VFS"))),
    broken(
        "FW001",
        (f"{PARAMETER}[0].name", f"{PARAMETER}[1].name"),
        parameters(("Controller", "ATS_ENABLED"), ("Controller", "ATS_ENABLED")),
    ),
]

VALID: list[Edits] = [
    parameters(("Controller", "ATS_ENABLED")),  # The guide sets it on computes only.
    parameters(("Controller", "PCI_WR_ORDERING"), ("ComputeSriovIB", "PCI_WR_ORDERING")),
]


@pytest.mark.parametrize("case", BROKEN, ids=name)
def test_a_broken_site_breaks_one_rule_at_its_paths(case: Broken) -> None:
    assert_breaks_one_rule(case)


@pytest.mark.parametrize("edits", VALID, ids=name)
def test_a_valid_site_has_no_findings(edits: Edits) -> None:
    assert_valid(edits)
