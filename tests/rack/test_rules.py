"""Each design rule: a site that breaks it, and it alone, at the path that it names."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rack import rules
from rack.site import Site
from rack.site.load import parse
from rack.site.schema import type_at
from tests.rack.sites import DROP, REFERENCE, documents, node, steps, unchecked

P, E, X = "networks.provisioning", "networks.external", "externalAccess.network"
VMS: list[dict[str, str]] = REFERENCE["tenant"]["instances"]
OTHER_PUBLIC = {f"{X}.pool": {"start": "10.9.0.10", "end": "10.9.0.99"}, f"{X}.gateway": "10.9.0.1"}
NO_FLOATING: dict[str, Any] = {"externalAccess.floatingIps": []}
ALONE = {"tenant.instances": VMS[:1], "bandwidth": DROP}

OWN = "registry.example:5000/tripleowallaby"
OFFLINE: dict[str, Any] = {
    "internet": False,
    "undercloud.repositories": [{"id": "wallaby", "baseurl": "http://mirror.example/wallaby"}],
    "undercloud.containerNamespace": OWN,
    "undercloud.imagesArchive": "/root/overcloud-images.tar",
    "images[0].elements": [],
    "images[0].file": "/srv/centos8-stream.qcow2",
    "images[1].elements": [],
    "images[1].file": "~/centos8-stream-gdr.qcow2",
    "ufm.host.imageArchive": "/root/ufm.tar",
}
"""What a site without the Internet writes."""
RHOSP = {"undercloud.distribution": "rhosp-17.1", "undercloud.registry": {"user": "1234|rack"}}

DIGEST = "registry:5000/ufm@sha256:0123456789abcdef"

BROKEN: list[tuple[str, str, dict[str, Any]]] = [
    # rule, path of the finding, edits to the guide's rack
    ("NET001", "tenant.network.cidr", {"tenant.network.cidr": "172.16.0.0/16"}),
    (
        "NET001",
        "networks.control.StorageMgmt.cidr",
        {
            "networks.control.StorageMgmt.cidr": "172.16.1.128/25",
            "networks.control.StorageMgmt.pool": {"start": "172.16.1.130", "end": "172.16.1.199"},
        },
    ),
    ("NET002", f"{P}.dhcp.end", {f"{P}.dhcp": {"start": "192.168.24.201", "end": "192.168.24.255"}}),
    ("NET002", f"{E}.pool", {f"{E}.pool": {"start": "10.0.0.99", "end": "10.0.0.98"}}),
    ("NET002", f"{E}.gateway", {f"{E}.gateway": "10.0.1.1", f"{X}.gateway": "10.0.1.1"}),
    ("NET002", "networks.control.Storage.pool.start", {"networks.control.Storage.pool.start": "172.16.0.50"}),
    ("NET002", f"{X}.pool", {f"{X}.pool": {"start": "10.9.0.1", "end": "10.9.0.9"}, **NO_FLOATING,
                             f"{X}.cidr": "10.9.0.0/24", f"{X}.gateway": "10.9.0.1"}),
    ("NET003", f"{P}.inspection", {f"{P}.inspection": {"start": "192.168.24.90", "end": "192.168.24.149"}}),
    ("NET004", "ufm.address", {"ufm.address": "10.2.0.5"}),
    ("NET004", "nodes[0].address", {"nodes[0].address": "192.168.24.60"}),
    ("NET004", "nodes[0].address", {"nodes[0].address": "192.168.24.200"}),
    ("NET004", "undercloud.address", {"ufm.address": "192.168.24.3"}),
    ("NET004", "nodes[0].address", {"nodes[0].address": "192.168.24.254", f"{P}.gateway": "192.168.24.254"}),
    ("NET004", "nodes[0].address", {"nodes[0].address": "192.168.24.255"}),
    ("NET005", "networks.control.Storage", {"networks.control.Storage": DROP}),
    ("NET005", "networks.control.InternalApi", {"networks.control.InternalApi": DROP}),
    ("NET006", f"{P}.dhcp", {f"{P}.dhcp.end": "192.168.24.54"}),
    ("NET006", f"{P}.inspection", {f"{P}.inspection.end": "192.168.24.103"}),
    ("NET006", f"{E}.pool", {f"{E}.pool.end": "10.0.0.52"}),
    ("NET006", "networks.control.Storage.pool", {"networks.control.Storage.pool.end": "172.16.1.54"}),
    ("NET006", "networks.control.StorageMgmt.pool", {"networks.control.StorageMgmt.pool.end": "172.16.3.52"}),
    ("NET007", f"{X}.gateway", {f"{X}.gateway": "10.0.0.254"}),
    ("NET007", f"{X}.cidr", {f"{X}.cidr": "10.0.0.128/25", f"{X}.gateway": "10.0.0.129"}),
    ("NET008", f"{X}.pool", {f"{X}.pool.start": "10.0.0.99"}),
    ("NET009", "networks.tenant.physnet", {"networks.tenant.physnet": "datacentre"}),
    ("PKEY001", "networks.control.InternalApi.vlan", {"networks.control.InternalApi.vlan": 11}),
    ("PKEY001", f"{E}.vlan", {f"{E}.vlan": 12}),
    ("PKEY002", "networks.control.Storage.vlan", {"networks.control.Storage.vlan": 150}),
    ("PKEY003", "tenant.network.vlan", {"tenant.network.vlan": 201}),
    ("PKEY003", "networks.tenant.vlans", {"networks.tenant.vlans": [200, 101]}),
    ("NODE001", "nodes[1].guid", {"nodes[1].guid": "B8:59:9F:03:00:B0:00:11"}),
    ("NODE001", "ufm.host.guid", {"ufm.host.guid": "b8599f0300b00011"}),
    ("NODE001", "fabric.switch.guid", {"fabric.switch.guid": "b8599f0300b00011"}),
    ("NODE001", "nodes[1].mac", {"nodes[1].mac": "3C:EC:EF:00:00:11"}),
    ("NODE001", "nodes[1].name", {"nodes[1].name": "controller-1"}),
    ("NODE001", "nodes[0].name", {"nodes[0].name": "ufm"}),
    ("NODE001", "nodes[0].name", {"nodes[0].name": "qm8700"}),
    ("NODE001", "nodes[1].ipmi.address", {"nodes[1].ipmi.address": "192.168.23.11"}),
    ("NODE002", "nodes", {"nodes[5]": node(9, "Controller", "b8599f0300b00099")}),
    ("NODE003", "nodes[4].index", {"nodes[4].index": 0}),
    ("NODE003", "nodes[1].index", {"nodes[0].index": 1, "nodes[1].index": 1}),
    ("FAB001", "fabric.switch.ports", {"fabric.switch.ports": 5}),
    ("CPU001", "compute.sharedCpus", {"compute.sharedCpus": "0-2"}),
    ("IMG001", "images[1].name", {"images[0].name": "centos8-stream-gdr"}),
    ("VM001", "tenant.instances[0].compute", {"tenant.instances[0].compute": "controller-1"}),
    ("VM001", "tenant.instances[0].image", {"tenant.instances[0].image": "centos9"}),
    ("VM001", "tenant.instances[1].port", {"tenant.instances[1].port": "direct1"}),
    ("VM001", "tenant.instances[2].name", {"tenant.instances[2]": {**VMS[0], "port": "direct3"}}),
    ("VM002", "compute.vfs", {"compute.vfs": 1, "tenant.instances[2]": {**VMS[0], "name": "vm3", "port": "direct3"}}),
    ("FW001", "firmware.parameters[0].name", {"firmware": {"parameters": [
        {"role": "ComputeSriovIB", "name": "NUM_OF_VFS", "value": 4}]}}),
    ("FW001", "firmware.parameters[1].name", {"firmware": {"parameters": 2 * [
        {"role": "Controller", "name": "ATS_ENABLED", "value": 1}]}}),
    ("VM003", "externalAccess.floatingIps[0].instance", {"externalAccess.floatingIps[0].instance": "vm9"}),
    ("VM003", "bandwidth.server", {"bandwidth.server": "vm9"}),
    ("VM004", "compute.dedicatedCpus", {"compute.dedicatedCpus": "2-8"}),
    ("EXT001", "externalAccess.floatingIps[0].address", {"externalAccess.floatingIps[0].address": "10.0.0.40"}),
    ("EXT001", "externalAccess.floatingIps[1].instance", {"externalAccess.floatingIps[1]": {"instance": "vm1_gpu"}}),
    ("EXT001", "externalAccess.floatingIps[1].address",
     {"externalAccess.floatingIps[1]": {"instance": "vm2_gpu", "address": "10.0.0.151"}}),
    ("BW001", "bandwidth.client", {"bandwidth.client": "vm1_gpu"}),
    ("BW001", "bandwidth.client", {"tenant.instances[1].compute": "compute-1"}),
    ("UFM001", "ufm.host.image", {"ufm.host.image": "mellanox/ufm-enterprise"}),
    ("UFM001", "ufm.host.image", {"ufm.host.image": "mellanox/ufm-enterprise:latest"}),
    ("UFM001", "ufm.host.installerImage", {"ufm.host.installerImage": "registry:5000/ufm-enterprise-installer"}),
    ("UFM002", "ufm.host.fabricAddress", {"ufm.host.fabricAddress": "11.11.11.253/24"}),
    ("UFM002", "ufm.host.fabricAddress", {"ufm.host.fabricAddress": "172.16.2.1/30"}),
    ("UFM003", "ufm.host.image", {"ufm.host.imageArchive": "/root/ufm.tar", "ufm.host.image": DIGEST}),
    ("UFM003", "ufm.host.installerImage", {"ufm.host.imageArchive": "/root/ufm.tar",
                                           "ufm.host.installerImage": DIGEST}),
    ("UFM004", "ufm.host.licenseDir", {"ufm.host.licenseDir": "/var/ufm_files/licenses"}),
    ("UFM004", "ufm.host.licenseDir", {"ufm.host.filesDir": "/opt/ufm/files", "ufm.host.licenseDir": "/opt/ufm/"}),
    ("IMG002", "images[0].file", {"images[0].file": "/srv/centos.qcow2"}),
    ("IMG002", "images[0].elements", {"images[0].elements": []}),
    ("DIST001", "undercloud.distribution", {"undercloud.distribution": "rhosp-16.2"}),
    ("DIST001", "undercloud.distribution", {**OFFLINE, "undercloud.distribution": "rhosp-16.2"}),
    ("REG001", "undercloud.containerNamespace", {"undercloud.containerNamespace": "tripleowallaby",
                                                 "undercloud.registry": {"insecure": True}}),
    ("REG001", "undercloud.containerNamespace", {"undercloud.containerNamespace": "mirror/wallaby",
                                                 "undercloud.registry": {"user": "rack"}}),
    ("REG002", "undercloud.registry.user", {"undercloud.distribution": "rhosp-17.1"}),
    ("REPO001", "undercloud.repositories[1].id",
     {"undercloud.repositories": 2 * [{"id": "wallaby", "baseurl": "http://mirror.example/wallaby"}]}),
    ("OFF001", "undercloud.repositories", {**OFFLINE, "undercloud.repositories": []}),
    ("OFF002", "undercloud.containerNamespace", {**OFFLINE, "undercloud.containerNamespace": None}),
    ("OFF002", "undercloud.containerNamespace", {**OFFLINE, "undercloud.containerNamespace": "tripleowallaby"}),
    ("OFF002", "undercloud.mlnxContainerNamespace", {**OFFLINE, "undercloud.mlnxContainerNamespace": "quay.io/mlnx"}),
    ("OFF003", "undercloud.imagesArchive", {**OFFLINE, "undercloud.imagesArchive": None}),
    ("OFF004", "images[1].file", {**OFFLINE, "images[1].file": None, "images[1].elements": ["vm"]}),
    ("OFF005", "ufm.host.image", {**OFFLINE, "ufm.host.imageArchive": None}),
    ("OFF005", "ufm.host.installerImage",
     {**OFFLINE, "ufm.host.imageArchive": None, "ufm.host.image": "registry.example:5000/ufm:1",
      "ufm.host.installerImage": "docker.io/mellanox/ufm-enterprise-installer:1"}),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "path", "edits"), BROKEN, ids=[f"{r}-{p}" for r, p, _ in BROKEN])
def test_a_broken_site_breaks_one_rule_at_one_path(rule: str, path: str, edits: dict[str, Any]) -> None:
    found = rules.check(unchecked(edits))
    assert {f.rule for f in found} == {rule}
    assert path in {f.path for f in found}
    assert all(type_at(Site, tuple(steps(f.path))) for f in found), "each path is one of the YAML"
    assert all(f"; {f.write} ({rule})" in str(f) for f in found)


def test_every_rule_has_a_site_that_breaks_it() -> None:
    assert {rule for rule, _, _ in BROKEN} == {r.id for r in rules.RULES}


def test_ids_are_unique() -> None:
    ids = [r.id for r in rules.RULES]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    "edits",
    [
        {"networks.control.StorageMgmt": DROP},
        {
            f"{P}.dhcp.end": "192.168.24.55",
            f"{P}.inspection.end": "192.168.24.104",
            f"{E}.pool.end": "10.0.0.53",
            "networks.control.Storage.pool.end": "172.16.1.55",
            "networks.control.StorageMgmt.pool.end": "172.16.3.53",
        },
        {f"{P}.gateway": "192.168.24.254"},
        {"ufm.host": DROP},
        {"externalAccess": DROP},
        {f"{X}.cidr": "10.9.0.0/24", **OTHER_PUBLIC, **NO_FLOATING},
        {"externalAccess.floatingIps[0].address": DROP},
        ALONE,
        {"images": [], "tenant.instances": [], "bandwidth": DROP, **NO_FLOATING},
        {"ufm.host.image": DIGEST},
        {"ufm.host.image": "registry:5000/ufm:6.19.3-1@sha256:0123456789abcdef"},
        {"ufm.host.imageArchive": "/root/ufm.tar", "ufm.host.installerImage": "mellanox/ufm-enterprise-installer:1"},
        {"ufm.host.licenseDir": "/var/ufm_files_lic"},
        OFFLINE,
        {**{k: v for k, v in OFFLINE.items() if not k.startswith("ufm")}, "ufm.host": DROP},
        {**OFFLINE, "ufm.host.imageArchive": None, "ufm.host.image": "registry.example:5000/ufm:1"},
        RHOSP,
        {**RHOSP, **OFFLINE, "undercloud.registry": {"caFile": "registry.pem"}, "undercloud.repositories": []},
    ],
)
def test_what_a_site_may_do_without_a_complaint(edits: dict[str, Any]) -> None:
    assert rules.check(unchecked(edits)) == []


@given(documents())
def test_valid_sites_break_no_rule(written: dict[str, Any]) -> None:
    parse(written)


addresses = st.integers(0x01000000, 0xDFFFFFFF).map(lambda n: ".".join(str(b) for b in n.to_bytes(4, "big")))


@given(st.data())
def test_rules_judge_any_site_whose_types_hold_and_never_raise(data: st.DataObject) -> None:
    some = st.sampled_from([*data.draw(st.lists(addresses, min_size=1, max_size=4)), "192.168.24.1", "10.0.0.151"])
    edits: dict[str, Any] = {
        path: data.draw(some)
        for path in (
            "ufm.address", "undercloud.address", "nodes[0].address", "nodes[1].ipmi.address",
            f"{P}.gateway", f"{P}.dhcp.start", f"{P}.dhcp.end", f"{P}.inspection.start", f"{P}.inspection.end",
            f"{E}.pool.start", f"{E}.gateway", f"{X}.pool.end", f"{X}.gateway", "externalAccess.floatingIps[0].address",
        )
    }  # fmt: skip
    edits["networks.control"] = data.draw(st.sampled_from([{}, REFERENCE["networks"]["control"]]))
    edits["nodes[3].role"] = data.draw(st.sampled_from(["Controller", "ComputeSriovIB"]))
    edits["tenant.instances"] = data.draw(st.sampled_from([[], VMS]))
    edits["images"] = data.draw(st.sampled_from([[], REFERENCE["images"]]))
    found = rules.check(unchecked(edits))
    assert all(type_at(Site, tuple(steps(f.path))) for f in found)
