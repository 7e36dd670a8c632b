"""Design rules of the adapters' firmware."""

from tests.rack.rules.cases import Edits, broken, broken_test, valid_test

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


test_a_broken_site_breaks_one_rule_at_its_paths = broken_test(BROKEN)
test_a_valid_site_has_no_findings = valid_test(VALID)
