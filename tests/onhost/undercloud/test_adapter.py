"""Pending, unset and unapplied firmware parameters; PCIe bridges and BIOS facts of a compute."""

import pytest

from onhost.undercloud.adapter import (
    Value,
    hidden,
    kept_vfs,
    lacking_vfs,
    number,
    pending,
    release_faults,
    unapplied,
    unset,
)
from onhost.undercloud.pcie import Bridges, parse_bridges, unit
from onhost.undercloud.wave_compute import settled_faults

SHOWN = {"SRIOV_EN": Value("1", "1"), "NUM_OF_VFS": Value("0", "8"), "ATS_ENABLED": Value("0", "0")}


@pytest.mark.parametrize(
    ("text", "found"), [("True(1)", "1"), ("IB(1)", "1"), ("8", "8"), ("Array[0..7]", "Array[0..7]")]
)
def test_number_returns_the_number_of_each_notation(text: str, found: str) -> None:
    assert number(text) == found


def test_a_different_parameter_is_pending_and_a_missing_one_is_hidden() -> None:
    wanted = {"SRIOV_EN": "1", "NUM_OF_VFS": "8", "ATS_ENABLED": "1", "MAX_ACC_OUT_READ": "44"}
    assert pending(wanted, SHOWN) == {"NUM_OF_VFS": "8", "ATS_ENABLED": "1"}
    assert hidden(wanted, SHOWN) == ["MAX_ACC_OUT_READ"]
    assert hidden({}, SHOWN) == []


def test_a_parameter_with_the_wanted_next_value_is_not_set_again() -> None:
    assert unset({"NUM_OF_VFS": "8", "ATS_ENABLED": "1"}, SHOWN) == ["ATS_ENABLED=1"]


def test_a_parameter_that_did_not_stick_is_reported_with_advice() -> None:
    changes = {"SRIOV_EN": "1", "NUM_OF_VFS": "8", "ATS_ENABLED": "1", "GONE": "2"}
    assert list(unapplied(changes, SHOWN)) == [
        "NUM_OF_VFS is 0 and not 8 after the reboot; power-cycle the node",
        "ATS_ENABLED is 0 and not 1 after the reboot; the adapter does not keep it",
        "GONE is nothing and not 2 after the reboot; the adapter does not keep it",
    ]


@pytest.mark.parametrize(
    ("release", "minimum", "fault"),
    [
        ("20.32.1010", None, ""),
        ("20.32.1010", "20.32.1010", ""),
        ("20.32.1010", "20.9.3000", ""),
        ("20.32.1010", "20.32.1011", "the adapter's firmware is 20.32.1010; bring it to 20.32.1011 or later"),
        ("20.9.3000", "20.10.1", "the adapter's firmware is 20.9.3000; bring it to 20.10.1 or later"),
        ("none", None, "no InfiniBand adapter at c5:00.0"),
        ("none", "20.32.1010", "no InfiniBand adapter at c5:00.0"),
    ],
)
def test_releases_are_compared_number_by_number(release: str, minimum: str | None, fault: str) -> None:
    faults = list(release_faults(release, minimum, "c5:00.0"))
    assert len(faults) == bool(fault)
    assert all(found.startswith(fault) for found in faults)


# -- PCIe

LISTING = """\
c0:01.0/c2:04.0/c5:00.0 Infiniband controller: Mellanox
--
c0:01.0/c2:08.0/c6:00.0 3D controller: NVIDIA
80:01.0/81:00.0/82:00.0 3D controller: NVIDIA
--
c2:04.0 PCI bridge: Broadcom
\tACSCap:\tSrcValid+ DirectTrans+
\tACSCtl:\tSrcValid+ DirectTrans+

0000:c2:08.0 PCI bridge: Broadcom
\tACSCap:\tSrcValid+ DirectTrans+
\tACSCtl:\tSrcValid+ DirectTrans-

81:00.0 PCI bridge: Broadcom
\tACSCap:\tSrcValid+ DirectTrans-

c5:00.0 Infiniband controller: Mellanox
"""


def test_bridges_are_found_above_the_adapter_and_the_gpus_beside_it() -> None:
    bridges = parse_bridges(LISTING)
    assert bridges.above == ["c2:04.0", "c2:08.0"]
    assert bridges.beside
    assert bridges.acs() == {"c2:04.0": True, "c2:08.0": False}
    assert bridges.without_acs() == []
    assert bridges.read_request("c5:00.0") is None


def test_an_adapter_in_the_root_port_has_no_bridge() -> None:
    bridges = parse_bridges("c5:00.0 Infiniband\n--\n82:00.0 3D controller\n--\nc5:00.0 Infiniband controller\n")
    assert (bridges.above, bridges.beside, bridges.acs()) == ([], False, {})


@pytest.mark.parametrize("device", ["c5:00.0", "0000:c5:00.0"])
def test_max_read_request_is_that_of_the_device(device: str) -> None:
    details = {"c5:00.0": "\t\tDevCtl: MaxPayload 512 bytes, MaxReadReq 4096 bytes", "c6:00.0": "MaxReadReq 512 bytes"}
    assert Bridges(details, [], False).read_request(device) == 4096


@pytest.mark.parametrize(("size", "code"), [(512, "0x2000"), (1024, "0x3000"), (4096, "0x5000")])
def test_the_unit_sets_max_read_request_where_configured(size: int, code: str) -> None:
    assert f"\nsetpci -v -s c5:00.0 CAP_EXP+0x8.w={code}:0x7000\nEND\n" in unit("c5:00.0", size)
    assert "CAP_EXP" not in unit("c5:00.0", None)


def test_a_bridge_without_the_acs_capability_is_reported() -> None:
    bridges = parse_bridges(LISTING)._replace(above=["81:00.0", "99:00.0", "c2:04.0"])
    assert bridges.without_acs() == ["81:00.0", "99:00.0"]
    assert bridges.acs() == {"81:00.0": False, "99:00.0": False, "c2:04.0": True}
    assert Bridges({}, [], False).control("ACSCap", "c2:04.0") == ""


# -- what Linux shows after the settings are applied


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        ({}, []),
        ({"kernel_args": "ro quiet"}, ["the kernel runs without iommu=pt amd_iommu=on"]),
        ({"kernel_args": "iommu=pt2 amd_iommu=on", "iommu_groups": "0"}, ["the kernel runs without iommu=pt"]),
        ({"iommu_groups": "0"}, ["no IOMMU; enable VT-d or AMD-Vi"]),
    ],
)
def test_a_settled_compute_reveals_wrong_bios_settings(change: dict[str, str], faults: list[str]) -> None:
    facts = {"kernel_args": "ro iommu=pt amd_iommu=on", "iommu_groups": "34", **change}
    found = list(settled_faults(facts, "iommu=pt amd_iommu=on"))
    assert len(found) == len(faults)
    assert all(text.startswith(start) for text, start in zip(found, faults, strict=True))


@pytest.mark.parametrize(("offered", "wanted"), [("9", {"NUM_OF_VFS": "8"}), ("8", {"NUM_OF_VFS": "8"}), ("none", {})])
def test_enough_vfs_are_no_fault(offered: str, wanted: dict[str, str]) -> None:
    assert list(lacking_vfs({"vfs": offered}, wanted)) == []


@pytest.mark.parametrize(("offered", "found"), [("7", 7), ("none", 0)])
def test_lacking_vfs_are_named(offered: str, found: int) -> None:
    text = f"the adapter offers {found} VFs of 8; enable SR-IOV in the BIOS (H4)"
    assert list(lacking_vfs({"vfs": offered}, {"NUM_OF_VFS": "8"})) == [text]


def test_a_deployed_node_keeps_its_vfs() -> None:
    shown = {name: Value("0", "0") for name in ("SRIOV_EN", "NUM_OF_VFS", "ATS_ENABLED")}
    (text,) = kept_vfs({"SRIOV_EN": "1", "NUM_OF_VFS": "8", "ATS_ENABLED": "1"}, shown)
    assert text.startswith("SRIOV_EN is 0 and not 1, NUM_OF_VFS is 0 and not 8, and a deployed node keeps its VFs;")
    assert list(kept_vfs({"ATS_ENABLED": "1"}, shown)) == []
