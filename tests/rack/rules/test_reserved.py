"""Values that would overwrite or delete what belongs to the hosts or to TripleO."""

import pytest

from tests.rack.rules.cases import Broken, Edits, assert_breaks_one_rule, assert_valid, broken, name

BROKEN = [
    broken("RES001", "cloud.name", {"cloud": {"name": "stack"}}),
    *(
        broken("RES002", "images[2].name", {"images[2]": {"name": built, "elements": ["vm"]}})
        for built in ("overcloud-full", "ironic-python-agent", "overcloud-hardened-uefi-full")
    ),
    *(
        broken("RES003", "ufm.host.filesDir", {"ufm.host.filesDir": folder})
        for folder in ("/var", "/var/", "/etc/ufm", "/var/ufm/../lib", "/var/lib", "/srv")
    ),
    broken("RES003", "ufm.host.licenseDir", {"ufm.host.licenseDir": "/opt"}),
    broken("RES004", "tenant.network.name", {"tenant.network.name": "public"}),
    broken("RES004", "tenant.network.subnet", {"tenant.network.subnet": "public_subnet"}),
    broken("RES005", "networks.external.interface", {"networks.external.interface": "eno1"}),
    *(
        broken("RES006", "nodes[0].ipmi.address", {"nodes[0].ipmi.address": address})
        for address in ("192.168.24.11", "192.168.24.200", "192.168.24.60", "192.168.24.120")
    ),
]
VALID: list[Edits] = [
    {"cloud": {"name": "stack1"}},
    {"ufm.host.filesDir": "/srv/ufm"},
    {"ufm.host.filesDir": "/var/lib/ufm"},
    {"nodes[0].ipmi.address": "192.168.24.240"},
]


@pytest.mark.parametrize("case", BROKEN, ids=name)
def test_broken(case: Broken) -> None:
    assert_breaks_one_rule(case)


@pytest.mark.parametrize("edits", VALID, ids=name)
def test_valid(edits: Edits) -> None:
    assert_valid(edits)
