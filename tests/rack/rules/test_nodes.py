"""Design rules of the hosts and of their place on the fabric."""

from tests.rack.rules.cases import Edits, broken, broken_test, findings, valid_test
from tests.rack.sites import DROP, REFERENCE, node

FOURTH = node(9, "Controller", "b8599f0300b00099")

BROKEN = [
    broken("NODE001", ("nodes[0].guid", "nodes[1].guid"), {"nodes[1].guid": "B8:59:9F:03:00:B0:00:11"}),
    broken("NODE001", ("nodes[0].guid", "ufm.host.guid"), {"ufm.host.guid": "b8599f0300b00011"}),
    broken("NODE001", ("fabric.switch.guid", "nodes[0].guid"), {"fabric.switch.guid": "b8599f0300b00011"}),
    broken("NODE001", ("nodes[0].mac", "nodes[1].mac"), {"nodes[1].mac": "3C:EC:EF:00:00:11"}),
    broken("NODE001", ("nodes[0].name", "nodes[1].name"), {"nodes[1].name": "controller-1"}),
    broken("NODE001", "nodes[0].name", {"nodes[0].name": "ufm"}),
    broken("NODE001", "nodes[0].name", {"nodes[0].name": "undercloud"}),
    broken("NODE001", ("fabric.switch.name", "nodes[0].name"), {"nodes[0].name": "qm8700"}),
    broken("NODE001", ("nodes[0].ipmi.address", "nodes[1].ipmi.address"), {"nodes[1].ipmi.address": "192.168.23.11"}),
    broken("NODE002", "nodes", {"nodes[5]": FOURTH}),
    broken(
        "NODE002",
        "nodes",
        {f"nodes[{i}]": {**REFERENCE["nodes"][i], "role": "ComputeSriovIB"} for i in range(3)},
    ),
    broken("NODE003", "nodes[4].index", {"nodes[4].index": 0}),
    broken("NODE003", "nodes[1].index", {"nodes[0].index": 1, "nodes[1].index": 1}),
    broken("NODE003", "nodes[1].index", {"nodes[0].index": 5, "nodes[1].index": 5}),
    broken("HOST001", "cloud.domain", {"cloud": {"name": "overcloud", "domain": f"{'d' * 30}.example"}}),
    broken("FAB002", "fabric.switch.ports", {"fabric.switch.ports": 41}),
    broken("FAB002", "fabric.switch.ports", {"fabric.switch.model": "MSB7800-ES2F"}),
    broken("FAB001", "fabric.switch.ports", {"fabric.switch.ports": 5}),
    broken("FAB001", "fabric.switch.ports", {"fabric.switch.ports": 4, "ufm.host": DROP}),
    *(
        broken("HOST002", "undercloud.hostname", {"undercloud.hostname": name})
        for name in (
            "overcloud-controller-0.localdomain",
            "overcloud-computesriov-ib-1.example",
            "localhost.localdomain",
            "overcloud.localdomain",
        )
    ),
]

VALID: list[Edits] = [
    {"nodes[0].guid": DROP, "nodes[1].guid": DROP},
    {"ufm.host": DROP},
    {"nodes": [REFERENCE["nodes"][0], *REFERENCE["nodes"][3:]]},
    {"nodes[0].index": 1, "nodes[3].index": 1},  # The index is that of the role.
    {"cloud": {"name": "overcloud", "domain": f"{'d' * 28}.example"}},
    {"fabric.switch.ports": 6},
    {"fabric.switch.ports": 5, "ufm.host": DROP},
    {"undercloud.hostname": "controller-1.localdomain"},  # A name in ironic is no host name
    {"undercloud.hostname": "overcloud-controller-3.localdomain"},
]


def test_findings_name_the_other_host_and_the_numbers() -> None:
    assert findings({"nodes[4].index": 0}) == [
        "nodes[4].index: found 0, which is the index of compute-1; "
        "write an index that no other ComputeSriovIB has (NODE003)"
    ]
    assert findings({"fabric.switch.ports": 5}) == [
        "fabric.switch.ports: found 5 for 6 hosts; remove hosts, or write a larger switch (FAB001)"
    ]
    assert findings({"nodes[5]": FOURTH}) == [
        "nodes: found 4 controllers; write 1, 3 or 5 nodes with the role Controller (NODE002)"
    ]


test_a_broken_site_breaks_one_rule_at_its_paths = broken_test(BROKEN)
test_a_valid_site_has_no_findings = valid_test(VALID)
