"""Design rules of the guest images."""

import pytest

from tests.rack.rules.cases import (
    NO_FLOATING,
    Broken,
    Edits,
    assert_breaks_one_rule,
    assert_valid,
    broken,
    name,
)
from tests.rack.sites import DROP

BROKEN = [
    broken("IMG001", ("images[0].name", "images[1].name"), {"images[0].name": "centos8-stream-gdr"}),
    broken("IMG002", "images[0].file", {"images[0].file": "/srv/centos.qcow2"}),
    broken("IMG002", "images[0].elements", {"images[0].elements": []}),
]

VALID: list[Edits] = [
    {"images": [], "tenant.instances": [], "bandwidth": DROP, **NO_FLOATING},
    {"images[0].elements": [], "images[0].file": "/srv/centos.qcow2"},
]


@pytest.mark.parametrize("case", BROKEN, ids=name)
def test_a_broken_site_breaks_one_rule_at_its_paths(case: Broken) -> None:
    assert_breaks_one_rule(case)


@pytest.mark.parametrize("edits", VALID, ids=name)
def test_a_valid_site_has_no_findings(edits: Edits) -> None:
    assert_valid(edits)
