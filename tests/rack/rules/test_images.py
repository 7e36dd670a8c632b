"""Design rules of the guest images."""

from tests.rack.rules.cases import (
    NO_FLOATING,
    Edits,
    broken,
    broken_test,
    valid_test,
)
from tests.rack.sites import DROP

BROKEN = [
    broken(
        "IMG001", ("images[0].name", "images[2].name"), {"images[2]": {"name": "centos8-stream", "elements": ["vm"]}}
    ),
    broken("IMG002", "images[0].file", {"images[0].file": "/srv/centos.qcow2"}),
    broken("IMG002", "images[0].elements", {"images[0].elements": []}),
]

VALID: list[Edits] = [
    {"images": [], "tenant.instances": [], "bandwidth": DROP, **NO_FLOATING},
    {"images[0].elements": [], "images[0].file": "/srv/centos.qcow2"},
]


test_a_broken_site_breaks_one_rule_at_its_paths = broken_test(BROKEN)
test_a_valid_site_has_no_findings = valid_test(VALID)
