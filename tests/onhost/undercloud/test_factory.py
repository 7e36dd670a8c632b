"""`factory.py` on the lab's undercloud: adapters in factory state are set before the nodes are deployed."""

from collections.abc import Iterator

import pytest

from access.ssh import as_stack
from components.overcloud import FACTORY
from lab.hosts.kinds.compute import Compute
from onhost import shipping
from tests.lab.hosts.conftest import MARKS
from tests.onhost.undercloud.test_wave import WANTED, Rig

pytestmark = [*MARKS, pytest.mark.timeout(180)]

BOTH = ("compute-1", "compute-2")


class Factory(Rig):
    """Provisioned nodes: adapters in factory state, no tool, no services."""

    command = as_stack(f"exec python3 {FACTORY}")

    def fresh(self) -> None:
        super().fresh()
        self.undercloud.root.write(FACTORY, shipping.program("undercloud.factory"))
        for node in self.lab.rack.nodes.values():
            node.replace_adapter()
            with node.change():
                node.state.deployed, node.state.packages = False, []
                node.forget_services()
            node.refresh()

    def deploy(self, name: str, **firmware: int) -> None:
        """Start the services of a deployed node whose adapter has these settings."""
        with self.node(name).change():
            self.node(name).state.deployed = True
            self.node(name).state.firmware = firmware


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Factory]:
    rig = Factory(tmp_path_factory.mktemp("rig"))
    yield rig
    rig.lab.stop()


@pytest.fixture
def rig(shared: Factory) -> Factory:
    shared.fresh()
    return shared


def test_new_computes_get_the_guide_s_settings(rig: Factory) -> None:
    done = rig.ok(*BOTH)
    for name in BOTH:
        assert rig.holds(name) == WANTED
        assert f"{name}: firmware 20.32.1010, LINK_TYPE_P1=1 SRIOV_EN=1 NUM_OF_VFS=8" in done.stdout
    assert sorted(rig.reboots()) == sorted(BOTH * 2), "MAX_ACC_OUT_READ shows after the first"
    assert rig.nova.compute_restarts == [], "nothing runs on them"


def test_the_adapters_offer_the_vfs_that_the_network_configuration_creates(rig: Factory) -> None:
    rig.ok("compute-1")
    node = rig.node("compute-1")
    assert isinstance(node, Compute)
    node.configure_network("- type: sriov_pf\n  name: ib2\n  numvfs: 8\n")
    assert node.state.vfs == 8


def test_a_second_run_changes_nothing(rig: Factory) -> None:
    first = rig.ok(*BOTH)
    rig.lab.fabric.events.clear()
    second = rig.ok(*BOTH)
    assert (second.stdout, second.stderr, rig.reboots()) == (first.stdout, "", [])


def test_a_deployed_compute_is_not_rebooted_with_a_new_one(rig: Factory) -> None:
    rig.deploy("compute-1", SRIOV_EN=1, NUM_OF_VFS=8)
    done = rig.ok(*BOTH)
    assert set(rig.reboots()) == {"compute-2"}
    assert rig.holds("compute-2") == WANTED
    assert rig.holds("compute-1")["ATS_ENABLED"] == 0
    assert "compute-1: is deployed, unchanged\n" in done.stdout


@pytest.mark.parametrize("firmware", [{"SRIOV_EN": 1, "NUM_OF_VFS": 4}, {}])
def test_a_deployed_compute_with_other_vfs_is_refused_before_anything_is_set(
    rig: Factory, firmware: dict[str, int]
) -> None:
    rig.deploy("compute-1", **firmware)
    said = rig.refused(*BOTH)
    assert f"NUM_OF_VFS is {firmware.get('NUM_OF_VFS', 0)} and not 8, and a deployed node keeps its VFs" in said
    assert "remove its entry from `nodes`, run `pulumi up`" in said
    assert rig.reboots() == []
    assert rig.holds("compute-2")["NUM_OF_VFS"] == 0


def test_the_bios_is_checked_before_a_deployment_needs_it(rig: Factory) -> None:
    rig.spoil("compute-1", bios={"virtualization": False, "boot_mode": "uefi"})
    rig.spoil("compute-2", bios={"sriov": False})
    said = rig.refused("compute-1")
    assert "compute-1: it has booted by uefi" in said
    assert "compute-1: no hardware virtualization" in said
    assert "compute-2: the adapter offers 0 VFs of 8; enable SR-IOV in the BIOS (H4)" in rig.refused("compute-2")


def test_new_controllers_are_set_to_infiniband(rig: Factory) -> None:
    with rig.node("controller-1").change():
        rig.node("controller-1").state.firmware = {"LINK_TYPE_P1": 2}
    rig.ok("controller-1", "controller-2")
    assert rig.reboots() == ["controller-1"]
    assert rig.holds("controller-1")["LINK_TYPE_P1"] == 1


@pytest.mark.parametrize("at", ["ATS_ENABLED=1 (was 0)", "it has not come back"])
def test_the_next_run_resumes_after_a_kill(rig: Factory, at: str) -> None:
    def kill() -> None:
        rig.lab.ok("undercloud", f"pkill -9 -f 'python3 {FACTORY}'")

    assert rig.run_and(at, kill, "compute-1")[0] != 0
    rig.ok("compute-1")
    assert rig.holds("compute-1") == WANTED
