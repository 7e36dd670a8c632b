"""Design rules of the networks: overlaps, ranges, gateways and fixed addresses."""

from tests.rack.rules.cases import (
    CONTROL,
    EXTERNAL,
    NO_FLOATING,
    OWN_PUBLIC,
    PROVISIONING,
    PUBLIC,
    Edits,
    broken,
    broken_test,
    findings,
    valid_test,
)
from tests.rack.sites import DROP


def pool(path: str, start: str, end: str) -> Edits:
    return {path: {"start": start, "end": end}}


BROKEN = [
    broken("NET001", ("tenant.network.cidr",) * 3, {"tenant.network.cidr": "172.16.0.0/16"}),
    broken(
        "NET001",
        f"{CONTROL}.StorageMgmt.cidr",
        {
            f"{CONTROL}.StorageMgmt.cidr": "172.16.1.128/25",
            **pool(f"{CONTROL}.StorageMgmt.pool", "172.16.1.130", "172.16.1.199"),
        },
    ),
    broken(
        "NET002",
        f"{PROVISIONING}.dhcp.end",
        {
            **pool(f"{PROVISIONING}.dhcp", "192.168.24.202", "192.168.24.255"),
            f"{PROVISIONING}.dns": ["10.0.0.2"],
            f"{PROVISIONING}.ntp": ["10.0.0.2"],
        },
    ),
    broken("NET002", f"{EXTERNAL}.pool", pool(f"{EXTERNAL}.pool", "10.0.0.99", "10.0.0.98")),
    broken("NET002", f"{EXTERNAL}.pool", pool(f"{EXTERNAL}.pool", "10.0.0.99", "10.0.0.97")),
    broken(
        "NET002",
        (f"{EXTERNAL}.gateway", f"{PUBLIC}.gateway"),
        {f"{EXTERNAL}.gateway": "10.0.1.1", f"{PUBLIC}.gateway": "10.0.1.1"},
    ),
    broken("NET002", f"{PROVISIONING}.gateway", {f"{PROVISIONING}.gateway": "192.168.25.1"}),
    broken("NET002", f"{PUBLIC}.gateway", {**OWN_PUBLIC, f"{PUBLIC}.gateway": "10.8.0.1"}),
    broken("NET002", f"{CONTROL}.Storage.pool.start", {f"{CONTROL}.Storage.pool.start": "172.16.0.50"}),
    broken("NET002", f"{CONTROL}.Storage.pool.start", {f"{CONTROL}.Storage.pool.start": "172.16.1.0"}),
    broken("NET002", f"{PUBLIC}.pool.end", {**OWN_PUBLIC, **pool(f"{PUBLIC}.pool", "10.9.0.10", "10.9.1.9")}),
    broken("NET002", f"{PUBLIC}.pool", {**OWN_PUBLIC, **pool(f"{PUBLIC}.pool", "10.9.0.1", "10.9.0.9")}),
    broken(
        "NET002", f"{EXTERNAL}.pool", {**pool(f"{EXTERNAL}.pool", "10.0.0.1", "10.0.0.99"), "tenant.network.dns": []}
    ),
    broken("NET003", f"{PROVISIONING}.inspection", {f"{PROVISIONING}.inspection.start": "192.168.24.90"}),
    broken("NET003", f"{PROVISIONING}.inspection", {f"{PROVISIONING}.inspection.start": "192.168.24.99"}),
    broken(
        "NET003", f"{PROVISIONING}.inspection", pool(f"{PROVISIONING}.inspection", "192.168.24.40", "192.168.24.50")
    ),
    broken("NET004", "ufm.address", {"ufm.address": "10.2.0.5"}),
    broken("NET004", "nodes[0].address", {"nodes[0].address": "192.168.24.60"}),
    broken("NET004", "nodes[0].address", {"nodes[0].address": "192.168.24.50"}),
    broken("NET004", "nodes[0].address", {"nodes[0].address": "192.168.24.99"}),
    broken("NET004", "nodes[0].address", {"nodes[0].address": "192.168.24.149"}),
    broken("NET004", ("ufm.address", "nodes[0].address"), {"nodes[0].address": "192.168.24.200"}),
    broken("NET004", ("ufm.address", "undercloud.address"), {"ufm.address": "192.168.24.2"}),
    broken("NET004", ("ufm.address", "undercloud.address"), {"ufm.address": "192.168.24.3"}),
    broken(
        "NET004",
        ("nodes[0].address", f"{PROVISIONING}.gateway"),
        {"nodes[0].address": "192.168.24.254", f"{PROVISIONING}.gateway": "192.168.24.254"},
    ),
    broken("NET004", "nodes[0].address", {"nodes[0].address": "192.168.24.255"}),
    broken("NET004", "fabric.switch.address", {"fabric.switch.address": "192.168.23.201"}),
    broken("NET004", "fabric.switch.address", {"fabric.switch.address": "192.168.24.60"}),
    broken("NET004", ("ufm.address", "fabric.switch.address"), {"fabric.switch.address": "192.168.24.200"}),
    broken("NET004", "nodes[0].address", {"nodes[0].address": "192.168.24.0"}),
    broken("NET005", f"{CONTROL}.Storage", {f"{CONTROL}.Storage": DROP}),
    broken("NET005", f"{CONTROL}.InternalApi", {f"{CONTROL}.InternalApi": DROP}),
    broken("NET006", f"{PROVISIONING}.dhcp", {f"{PROVISIONING}.dhcp.end": "192.168.24.54"}),
    broken("NET006", f"{PROVISIONING}.inspection", {f"{PROVISIONING}.inspection.end": "192.168.24.103"}),
    broken("NET006", f"{EXTERNAL}.pool", {f"{EXTERNAL}.pool.end": "10.0.0.52"}),
    broken("NET006", f"{EXTERNAL}.pool", {f"{EXTERNAL}.pool.end": "10.0.0.50"}),
    broken("NET006", f"{CONTROL}.Storage.pool", {f"{CONTROL}.Storage.pool.end": "172.16.1.54"}),
    broken("NET006", f"{CONTROL}.StorageMgmt.pool", {f"{CONTROL}.StorageMgmt.pool.end": "172.16.3.52"}),
    broken("NET007", f"{PUBLIC}.gateway", {f"{PUBLIC}.gateway": "10.0.0.254"}),
    broken("NET007", f"{PUBLIC}.gateway", {f"{EXTERNAL}.gateway": "10.0.0.254"}),
    broken("NET007", f"{PUBLIC}.cidr", {f"{PUBLIC}.cidr": "10.0.0.128/25", f"{PUBLIC}.gateway": "10.0.0.129"}),
    broken("NET008", f"{PUBLIC}.pool", {f"{PUBLIC}.pool.start": "10.0.0.99"}),
    broken("NET008", f"{PUBLIC}.pool", {**pool(f"{PUBLIC}.pool", "10.0.0.40", "10.0.0.50"), **NO_FLOATING}),
    broken("NET008", f"{PUBLIC}.pool", {**pool(f"{PUBLIC}.pool", "10.0.0.60", "10.0.0.70"), **NO_FLOATING}),
    *(
        broken("NET010", f"{PROVISIONING}.{key}[0]", {f"{PROVISIONING}.{key}": [address]})
        for key in ("dns", "ntp")
        for address in ("127.0.0.1", "192.168.24.60", "192.168.24.149", "10.0.0.60")
    ),
    broken("NET010", f"{PROVISIONING}.ntp[1]", {f"{PROVISIONING}.ntp": ["ntp.example", "localhost"]}),
    broken("NET010", "tenant.network.dns[0]", {"tenant.network.dns": ["127.0.0.53"]}),
    *(
        broken("NET010", f"{PROVISIONING}.{key}[0]", {f"{PROVISIONING}.{key}": ["192.168.24.11"]})
        for key in ("dns", "ntp")
    ),
    *(
        broken("NET012", f"{where}.managementAddress", {f"{where}.managementAddress": address})
        for where, other in (("undercloud", "192.168.24.200"), ("ufm.host", "192.168.24.1"))
        for address in ("192.168.24.21", "192.168.24.60", other)
    ),
    broken("NET012", "ssh.proxy.address", {"ssh.proxy": {"address": "192.168.24.11", "user": "root"}}),
    broken("NET012", "builder.address", {"builder": {"address": "192.168.24.60"}}),
    broken("NET011", "tenant.network.cidr", {"tenant.network.cidr": "11.11.11.0/30"}),
    broken("NET011", f"{PUBLIC}.pool", pool(f"{PUBLIC}.pool", "10.0.0.151", "10.0.0.151")),
    broken("NET009", "networks.tenant.physnet", {"networks.tenant.physnet": "datacentre"}),
    *(
        broken("NET013", path, {path: address, **extra})
        for path, address, extra in (
            ("nodes[0].ipmi.address", "192.168.24.255", {}),
            ("nodes[0].ipmi.address", "10.0.0.0", {}),
            ("nodes[0].ipmi.address", "172.16.1.255", {}),
            (f"{PROVISIONING}.dns[0]", "192.168.24.0", {}),
            (f"{PROVISIONING}.ntp[0]", "10.0.0.255", {}),
            ("tenant.network.dns[0]", "11.11.11.255", {}),
            ("ufm.host.managementAddress", "192.168.24.255", {}),
            ("undercloud.managementAddress", "10.0.0.255", {}),
            ("ssh.proxy.address", "10.0.0.255", {"ssh.proxy.user": "jump"}),
            ("builder.address", "192.168.24.255", {}),
            ("undercloud.tripleoReposUrl", "http://10.0.0.255:8080/a", {}),
            ("undercloud.containerNamespace", "10.0.0.0:5000/tripleo", {}),
        )
    ),
    *(
        broken("NET014", path, {path: address})
        for path, address in (
            ("nodes[0].ipmi.address", "172.16.1.9"),
            (f"{PROVISIONING}.dns[0]", "172.16.2.1"),
            (f"{PROVISIONING}.ntp[0]", "172.16.3.1"),
            ("undercloud.managementAddress", "172.16.2.1"),
            ("ufm.host.image", "172.16.2.1:5000/ufm:1"),
        )
    ),
    *(
        broken("NET015", path, {path: value})
        for path, value in (
            ("nodes[0].ipmi.address", "127.0.0.9"),
            ("ufm.host.managementAddress", "127.0.0.1"),
            ("builder.address", "127.0.1.1"),
            ("undercloud.tripleoReposUrl", "http://localhost/a"),
            ("undercloud.tripleoReposUrl", "http://mirror.localhost/a"),
            ("ufm.host.image", "127.0.0.1:5000/ufm:1"),
        )
    ),
    broken("NET010", "tenant.network.dns[0]", {"tenant.network.dns": ["11.11.11.1"]}),
]

VALID: list[Edits] = [
    {"undercloud.managementAddress": "10.1.0.1", "ufm.host.managementAddress": "10.1.0.2"},
    {"ssh.proxy": {"address": "192.168.24.1", "user": "root"}, "builder": {"address": "192.168.24.200"}},
    {f"{CONTROL}.StorageMgmt": DROP},
    {"fabric.switch.address": DROP},
    {"fabric.switch.address": "192.168.24.199"},
    {  # Each range has exactly as many addresses as are needed.
        f"{PROVISIONING}.dhcp.end": "192.168.24.55",
        f"{PROVISIONING}.inspection.end": "192.168.24.104",
        f"{EXTERNAL}.pool.end": "10.0.0.53",
        f"{CONTROL}.Storage.pool.end": "172.16.1.55",
        f"{CONTROL}.StorageMgmt.pool.end": "172.16.3.53",
    },
    # The router's address and a floating IP; the router's alone.
    pool(f"{PUBLIC}.pool", "10.0.0.151", "10.0.0.152"),
    {**pool(f"{PUBLIC}.pool", "10.0.0.151", "10.0.0.151"), **NO_FLOATING},
    {"tenant.network.cidr": "11.11.11.0/29"},
    {f"{PROVISIONING}.ntp": ["ntp.example", "10.1.0.1"], f"{PROVISIONING}.dns": ["8.8.8.8"]},
    # Ranges that touch, in both orders.
    {f"{PROVISIONING}.dhcp.end": "192.168.24.99", f"{PROVISIONING}.inspection.start": "192.168.24.100"},
    {**pool(f"{PROVISIONING}.inspection", "192.168.24.40", "192.168.24.49")},
    # The first and the last address of a network, and those beside a range.
    {"nodes[0].address": "192.168.24.254"},
    {"nodes[0].address": "192.168.24.49"},
    {"nodes[0].address": "192.168.24.150"},
    {"ufm.address": "192.168.24.4"},
    {f"{PROVISIONING}.gateway": "192.168.24.254"},
    {f"{PROVISIONING}.gateway": "192.168.24.49"},
    {"externalAccess": DROP},
    OWN_PUBLIC,
    {**pool(f"{PUBLIC}.pool", "10.0.0.100", "10.0.0.199")},
    {"tenant.network.dns": ["11.11.11.2"]},
    {"nodes[0].ipmi.address": "192.168.23.255"},  # In no network of the configuration
]


def test_findings_name_the_value_the_reason_and_the_remedy() -> None:
    assert findings({"tenant.network.cidr": "172.16.1.0/25"}) == [
        "tenant.network.cidr: found 172.16.1.0/25, which overlaps networks.control.Storage.cidr 172.16.1.0/24; "
        "write a network that overlaps no other (NET001)"
    ]
    assert findings({f"{CONTROL}.Storage.pool.end": "172.16.1.51"}) == [
        "networks.control.Storage.pool: found 172.16.1.50-172.16.1.51 with a size of 2; "
        "write a range of at least 6 (NET006)"
    ]
    assert findings({f"{CONTROL}.StorageMgmt.pool.end": "172.16.3.50"}) == [
        "networks.control.StorageMgmt.pool: found 172.16.3.50-172.16.3.50 with a size of 1; "
        "write a range of at least 4 (NET006)"
    ]
    assert findings({"nodes[0].address": "192.168.24.60"}) == [
        "nodes[0].address: found 192.168.24.60, which is in the dhcp range 192.168.24.50-192.168.24.99; "
        "write an address outside it (NET004)"
    ]


test_a_broken_site_breaks_one_rule_at_its_paths = broken_test(BROKEN)
test_a_valid_site_has_no_findings = valid_test(VALID)
