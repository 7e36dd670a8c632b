"""Design rules of the computes' hardware facts."""

from tests.rack.rules.cases import BOTH_ON_COMPUTE_1, Edits, broken, broken_test, findings, valid_test
from tests.rack.sites import DROP

FACTS = "compute.hardware"
DEDICATED, SHARED, RESERVED = "compute.dedicatedCpus", "compute.sharedCpus", "compute.reservedMemoryMib"
RAM, GPUS = "tenant.flavor.ramMib", "tenant.flavor.gpus"
ONE_GPU: Edits = {f"{FACTS}.gpus": 1}
OTHER_SOCKET: Edits = {f"{FACTS}.hcaNuma": 1, f"{FACTS}.gpuNuma": 1}

BROKEN = [
    broken("HW001", (f"{FACTS}.numa[0]", f"{FACTS}.numa[1]"), {f"{FACTS}.numa": ["0-64", "64-127"]}),
    broken("HW001", (f"{FACTS}.hcaNuma", f"{FACTS}.gpuNuma"), {f"{FACTS}.hcaNuma": 2, f"{FACTS}.gpuNuma": 2}),
    broken("HW002", DEDICATED, {f"{FACTS}.numa": ["0-31"]}),
    broken("HW002", SHARED, {SHARED: "128"}),
    broken("HW003", f"{FACTS}.gpuNuma", {f"{FACTS}.hcaNuma": 1}),
    broken("HW004", DEDICATED, {DEDICATED: "2-64"}),
    broken("HW004", DEDICATED, OTHER_SOCKET),
    broken("HW005", GPUS, {GPUS: 2, **ONE_GPU}),
    broken("HW005", GPUS, {**BOTH_ON_COMPUTE_1, **ONE_GPU}),
    broken("HW005", GPUS, {GPUS: 5, "tenant.instances": [], "bandwidth": DROP, "externalAccess.floatingIps": []}),
    broken("HW006", RAM, {RAM: 257501}),
    broken("HW006", RAM, {f"{FACTS}.numa": ["0-127"], RAM: 510905}),
    broken("HW006", RAM, {**BOTH_ON_COMPUTE_1, RAM: 128751}),
    broken("HW006", RESERVED, {RESERVED: 515000}),
    broken("HW007", "tenant.flavor.diskGib", {f"{FACTS}.diskGib": 39}),
    broken("HW007", "tenant.flavor.diskGib", {**BOTH_ON_COMPUTE_1, f"{FACTS}.diskGib": 79}),
    broken("HW007", "tenant.flavor.diskGib", {f"{FACTS}.diskGib": 2000, "tenant.flavor.diskGib": 2001}),
]

VALID: list[Edits] = [
    {FACTS: DROP, DEDICATED: "2-300"},
    {f"{FACTS}.numa": ["0-1,4-63", "2-3,64-127"], DEDICATED: "4-63"},
    {**OTHER_SOCKET, DEDICATED: "64-127"},
    {**BOTH_ON_COMPUTE_1, RAM: 128750},
    {GPUS: 4},
    {**BOTH_ON_COMPUTE_1, GPUS: 2},
    ONE_GPU,
    {RAM: 257500},
    {f"{FACTS}.numa": ["0-127"], RAM: 510904},
    {**BOTH_ON_COMPUTE_1, f"{FACTS}.diskGib": 80},
    {"tenant.flavor.diskGib": 65536},
]


def test_findings_have_the_wrong_cpus_and_the_ones_to_write() -> None:
    assert findings(OTHER_SOCKET) == [
        "compute.dedicatedCpus: found '2-63', of which 2-63 are on another NUMA node than the GPU; "
        "write CPUs of 64-127 (HW004)"
    ]
    assert findings({DEDICATED: "2-63,65"}) == [
        "compute.dedicatedCpus: found '2-63,65', of which 65 are on another NUMA node than the GPU; "
        "write CPUs of 2-63 (HW004)"
    ]


def test_an_unknown_numa_node_gets_the_numbers_of_those_listed() -> None:
    numa = {f"{FACTS}.hcaNuma": 2, f"{FACTS}.gpuNuma": 2}
    assert (
        findings(numa)[0]
        == "compute.hardware.hcaNuma: found 2, with 2 nodes in numa; write a number from 0 to 1 (HW001)"
    )


test_a_broken_site_breaks_one_rule_at_its_paths = broken_test(BROKEN)
test_a_valid_site_has_no_findings = valid_test(VALID)
