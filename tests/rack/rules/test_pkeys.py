"""Design rules of VLANs and PKeys."""

from tests.rack.rules.cases import (
    CONTROL,
    EXTERNAL,
    Edits,
    broken,
    broken_test,
    findings,
    valid_test,
)

BROKEN = [
    broken("PKEY001", (f"{CONTROL}.Storage.vlan", f"{CONTROL}.InternalApi.vlan"), {f"{CONTROL}.InternalApi.vlan": 11}),
    broken("PKEY001", (f"{CONTROL}.InternalApi.vlan", f"{EXTERNAL}.vlan"), {f"{EXTERNAL}.vlan": 12}),
    broken("PKEY002", f"{CONTROL}.Storage.vlan", {f"{CONTROL}.Storage.vlan": 150}),
    broken("PKEY002", f"{CONTROL}.Storage.vlan", {f"{CONTROL}.Storage.vlan": 101}),
    broken("PKEY002", f"{CONTROL}.Storage.vlan", {f"{CONTROL}.Storage.vlan": 200}),
    broken("PKEY003", "tenant.network.vlan", {"tenant.network.vlan": 100}),
    broken("PKEY003", "tenant.network.vlan", {"tenant.network.vlan": 201}),
    broken("PKEY003", "networks.tenant.vlans", {"networks.tenant.vlans": [200, 101]}),
]

VALID: list[Edits] = [
    {f"{CONTROL}.Storage.vlan": 100},
    {f"{CONTROL}.Storage.vlan": 201},
    {"tenant.network.vlan": 101},
    {"tenant.network.vlan": 200},
    {"networks.tenant.vlans": [101, 101]},
]


def test_a_control_pkey_among_the_tenants_is_spelled_as_ufm_does() -> None:
    assert findings({f"{CONTROL}.Storage.vlan": 150}) == [
        "networks.control.Storage.vlan: found 150 (PKey 0x96), which is in the tenants' range; "
        "write a VLAN outside 101-200 (PKEY002)"
    ]


test_a_broken_site_breaks_one_rule_at_its_paths = broken_test(BROKEN)
test_a_valid_site_has_no_findings = valid_test(VALID)
