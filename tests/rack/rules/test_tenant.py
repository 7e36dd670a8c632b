"""Design rules of the tenant's instances, floating IPs and bandwidth test."""

from tests.rack.rules.cases import (
    BOTH_ON_COMPUTE_1,
    FLOATING,
    ONE_INSTANCE,
    VMS,
    Edits,
    broken,
    broken_test,
    findings,
    valid_test,
)
from tests.rack.sites import DROP

KEY, PUBLIC = (
    "tenant.keyPair",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f tenant",
)
INSTANCE, COMPUTE = "tenant.instances", "compute"

BROKEN = [
    broken("CPU001", f"{COMPUTE}.sharedCpus", {f"{COMPUTE}.sharedCpus": "0-2"}),
    broken("VM001", f"{INSTANCE}[0].compute", {f"{INSTANCE}[0].compute": "controller-1"}),
    broken("VM001", f"{INSTANCE}[0].image", {f"{INSTANCE}[0].image": "centos9"}),
    broken("VM001", (f"{INSTANCE}[0].port", f"{INSTANCE}[1].port"), {f"{INSTANCE}[1].port": "direct1"}),
    broken("VM001", (f"{INSTANCE}[0].name", f"{INSTANCE}[2].name"), {f"{INSTANCE}[2]": {**VMS[0], "port": "direct3"}}),
    broken(
        "VM002",
        f"{COMPUTE}.vfs",
        {f"{COMPUTE}.vfs": 1, f"{INSTANCE}[2]": {**VMS[0], "name": "vm3", "port": "direct3"}},
    ),
    broken("VM003", f"{FLOATING}[0].instance", {f"{FLOATING}[0].instance": "vm9"}),
    broken("VM003", "bandwidth.server", {"bandwidth.server": "vm9"}),
    broken("VM003", "bandwidth.client", {"bandwidth.client": "vm9"}),
    broken("VM004", f"{COMPUTE}.dedicatedCpus", {f"{COMPUTE}.dedicatedCpus": "2-8"}),
    broken("VM004", f"{COMPUTE}.dedicatedCpus", {f"{COMPUTE}.dedicatedCpus": "2-16", **BOTH_ON_COMPUTE_1}),
    broken("EXT001", f"{FLOATING}[0].address", {f"{FLOATING}[0].address": "10.0.0.149"}),
    broken("EXT001", f"{FLOATING}[0].address", {f"{FLOATING}[0].address": "10.0.0.200"}),
    broken(
        "EXT001", (f"{FLOATING}[0].instance", f"{FLOATING}[1].instance"), {f"{FLOATING}[1]": {"instance": "vm1_gpu"}}
    ),
    broken(
        "EXT001",
        (f"{FLOATING}[0].address", f"{FLOATING}[1].address"),
        {f"{FLOATING}[1]": {"instance": "vm2_gpu", "address": "10.0.0.151"}},
    ),
    broken("BW002", "images[0].elements", {"tenant.instances[0].image": "centos8-stream"}),
    broken("BW002", "images[0].elements", {"tenant.instances[1].image": "centos8-stream", "bandwidth.cuda": False}),
    broken("KEY001", f"{KEY}.publicKey", {KEY: {"publicKey": PUBLIC, "existing": True, "privateKeyFile": "key"}}),
    broken("KEY001", f"{KEY}.privateKeyFile", {KEY: {"privateKeyFile": "key"}}),
    broken("KEY002", f"{KEY}.privateKeyFile", {KEY: {"publicKey": PUBLIC}}),
    broken("KEY002", f"{KEY}.privateKeyFile", {KEY: {"existing": True}}),
    broken("DATA001", "tenant.userDataFile", {"tenant.userData": "#!/bin/sh", "tenant.userDataFile": "user-data"}),
    broken("BW001", "bandwidth.client", {"bandwidth.client": "vm1_gpu"}),
    broken("BW001", "bandwidth.client", {f"{INSTANCE}[1].compute": "compute-1"}),
]

VALID: list[Edits] = [
    {"images[1].elements": ["vm", "mofed", "centos"], "bandwidth.cuda": False},
    {"images[1].elements": [], "images[1].file": "~/image.qcow2"},
    ONE_INSTANCE,
    {KEY: {"publicKey": PUBLIC, "privateKeyFile": "key"}},
    {KEY: {"name": "ops", "existing": True, "privateKeyFile": "key"}},
    {KEY: {"existing": True}, "bandwidth": DROP},
    {"tenant.userData": "#cloud-config\nusers: [default]\n"},
    {"tenant.userDataFile": "user-data"},
    {f"{COMPUTE}.vfs": 1},
    {f"{COMPUTE}.vfs": 2, **BOTH_ON_COMPUTE_1},
    {f"{COMPUTE}.dedicatedCpus": "2-9"},
    {f"{COMPUTE}.dedicatedCpus": "2-17", **BOTH_ON_COMPUTE_1},
    {f"{FLOATING}[0].address": DROP},
    {f"{FLOATING}[0].address": DROP, f"{FLOATING}[1]": {"instance": "vm2_gpu"}},
    {f"{FLOATING}[0].address": "10.0.0.150"},
    {f"{FLOATING}[0].address": "10.0.0.199"},
    {"externalAccess": DROP, "bandwidth": DROP},
]


def test_findings_name_the_choices() -> None:
    assert findings({f"{INSTANCE}[0].compute": "controller-1"}) == [
        "tenant.instances[0].compute: found 'controller-1'; write one of compute-1, compute-2 (VM001)"
    ]
    assert findings({INSTANCE: [], "bandwidth": DROP}) == [
        "externalAccess.floatingIps[0].instance: found 'vm1_gpu'; add it to tenant.instances (VM003)"
    ]


def test_findings_name_the_numbers() -> None:
    assert findings({f"{COMPUTE}.vfs": 1, **BOTH_ON_COMPUTE_1}) == [
        "compute.vfs: found 1 for 2 instances on compute-1; write 2 or more (VM002)"
    ]
    assert findings({f"{COMPUTE}.dedicatedCpus": "2-16", **BOTH_ON_COMPUTE_1}) == [
        "compute.dedicatedCpus: found 15 CPUs for 2 instances with 8 each on compute-1; write 16 CPUs or more (VM004)"
    ]
    assert findings({f"{COMPUTE}.sharedCpus": "0-3"}) == [
        "compute.sharedCpus: found 2, 3, which dedicatedCpus lists too; write each CPU into one of the two lists "
        "(CPU001)"
    ]


test_a_broken_site_breaks_one_rule_at_its_paths = broken_test(BROKEN)
test_a_valid_site_has_no_findings = valid_test(VALID)
