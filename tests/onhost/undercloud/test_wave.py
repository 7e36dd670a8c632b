"""`wave.py` on the lab's undercloud: it reaches the nodes by stack's own key over real SSH, sets their adapters,
reboots them, and asks the overcloud's nova; the nodes' kernels show what firmware and BIOS make of them."""

import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from components import firmware
from components.ssh import as_stack
from lab.cloud.translation import ComputeHardware
from lab.hosts.backends.interfaces import ComputeService, Guest
from lab.hosts.keys import STACK_KEY, keygen, public_key
from lab.hosts.kinds.node import Node
from lab.hosts.kinds.undercloud import Undercloud
from lab.hosts.state import HardwareFaults
from lab.process import LabError, Say
from onhost import shipping
from onhost.undercloud.adapter import Value, settings
from onhost.undercloud.orders import WaveOrder, encode
from onhost.undercloud.pcie import bus_path
from onhost.undercloud.wave_compute import REASON
from rack.plan import Host
from tests.lab.hosts.conftest import MARKS, Lab
from tests.lab.hosts.fakes import FakeCloud
from tests.onhost.undercloud.progress import run_and

pytestmark = [*MARKS, pytest.mark.timeout(180)]

PROGRAM = shipping.program("undercloud.wave")
RUN = as_stack(". ~/overcloudrc", f"exec python3 {firmware.PROGRAM}")
WANTED = {
    "LINK_TYPE_P1": 1, "SRIOV_EN": 1, "NUM_OF_VFS": 8, "ATS_ENABLED": 1, "ADVANCED_PCI_SETTINGS": 1,
    "MAX_ACC_OUT_READ": 44,
}  # fmt: skip


class Nova(FakeCloud):
    """Notes who is on the way up, and may keep nova-compute from it."""

    def __init__(self) -> None:
        super().__init__()
        self.meet: threading.Barrier | None = None
        """Where set, nobody comes up before all that it counts are down."""
        self.go = threading.Event()
        """Until it is set, nobody comes up."""
        self.go.set()
        self.sick: set[str] = set()
        """Computes whose next start fails."""

    def restart_compute(self, host: str, hardware: ComputeHardware, say: Say) -> None:
        if host in self.sick:
            self.sick.remove(host)
            raise LabError("nova-compute does not come up")
        self.go.wait(30)
        if self.meet:
            self.meet.wait(30)
        super().restart_compute(host, hardware, say)


class Rig:
    """The nodes as a deployment leaves them, the program on the undercloud."""

    def __init__(self, folder: Path) -> None:
        self.lab = Lab(folder)
        self.plan = self.lab.plan
        self.nova = Nova()
        self.lab.rack.backends.cloud = self.nova
        with self.undercloud.change():
            self.undercloud.state.packages = ["python3-tripleoclient"]
        self.undercloud.refresh()
        self.lab.ok("undercloud", "useradd -m stack")
        keygen(self.undercloud.root.tree / STACK_KEY, "stack", "rsa")
        self.lab.ok("undercloud", "chown -R stack: /home/stack/.ssh")
        self.undercloud.root.write("/home/stack/overcloudrc", self.nova.overcloudrc())
        self.undercloud.root.write(firmware.PROGRAM, PROGRAM)
        self.lab.provision()
        for node in self.lab.rack.nodes.values():
            node.authorized_keys.write_text(self.lab.rack.stack_key)

    @property
    def undercloud(self) -> Undercloud:
        return self.lab.rack.undercloud

    def node(self, name: str) -> Node:
        return self.lab.rack.nodes[name]

    def fresh(self) -> None:
        """A compute lacks ATS_ENABLED alone: one reboot. Nova has every compute up and empty, all nodes run."""
        self.nova.vms, self.nova.compute_restarts, self.nova.meet, self.nova.sick = [], [], None, set()
        self.lab.fabric.events.clear()
        self.nova.services = {h.hostname: ComputeService(h.name, h.hostname) for h in self.plan.computes}
        for node in self.lab.rack.nodes.values():
            self.spoil(node.name)
            with node.change():
                node.lose_volatile_state()
                node.forget_services()
                node.state.firmware_next = {}
                node.state.packages = ["mstflint"]
                node.state.firmware = {"ADVANCED_PCI_SETTINGS": 1, "MAX_ACC_OUT_READ": 44}
            node.power_on()

    def spoil(self, name: str, **faults: Any) -> None:
        """A BIOS is changed while the node is off."""
        node = self.node(name)
        changed = node.state.faults.bios != faults.get("bios", {})
        node.inject(HardwareFaults(**faults))
        if changed:
            node.shutdown()
            node.power_on()

    def guest(self, host: str, status: str = "ACTIVE") -> None:
        hostname = self.plan.host(host).hostname
        self.nova.vms.append(Guest("7c1f", "vm1_gpu", status, hostname, addresses={}, floating={}))

    def order(self, *names: str, **changes: Any) -> WaveOrder:
        nodes = [self.plan.host(name) for name in names]
        keys = [self._known(host) for host in nodes]
        made = firmware.wave_order(self.plan, nodes[0].role, nodes, keys, check_list=False)
        usual = {"pauses": (0.05, 0.2), "reboot_limit": 20, "drain_limit": 20}
        return made._replace(**{**usual, **changes})

    def _known(self, host: Host) -> str:
        port = self.plan.site.ssh.node_port
        return f"[{host.address}]:{port} {public_key(self.node(host.name).host_key)}\n"

    def run(self, *names: str, **changes: Any) -> subprocess.CompletedProcess[str]:
        return self._checked(self.lab.run("undercloud", RUN, encode(self.order(*names, **changes))))

    def ok(self, *names: str, **changes: Any) -> subprocess.CompletedProcess[str]:
        done = self.run(*names, **changes)
        assert done.returncode == 0, done.stderr
        return done

    def refused(self, *names: str, **changes: Any) -> str:
        done = self.run(*names, **changes)
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        return done.stderr

    def run_and(self, at: str, act: Callable[[], object], *names: str, **changes: Any) -> tuple[int, str]:
        """Status and what it said; does `act` once a line of its progress holds `at`."""
        done = self._checked(run_and(self.lab, RUN, encode(self.order(*names, **changes)), at, act))
        return done.returncode, done.stderr

    @staticmethod
    def _checked(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def holds(self, name: str) -> dict[str, int]:
        return self.node(name).firmware()

    def reboots(self) -> list[str]:
        return [event.partition(" ")[2] for event in self.lab.fabric.events if event.startswith("unlink")]

    def service(self, name: str) -> ComputeService:
        return self.nova.services[self.plan.host(name).hostname]

    def kill(self) -> None:
        """The undercloud's running program, as a power cut would."""
        self.lab.ok("undercloud", f"pkill -9 -f 'python3 {firmware.PROGRAM}'")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    rig = Rig(tmp_path_factory.mktemp("rig"))
    yield rig
    rig.lab.stop()


@pytest.fixture
def rig(shared: Rig) -> Rig:
    shared.fresh()
    return shared


# -- the way it should go


def test_a_compute_as_delivered_comes_to_what_the_guide_asks(rig: Rig) -> None:
    with rig.node("compute-1").change():
        rig.node("compute-1").state.packages, rig.node("compute-1").state.firmware = [], {}
    rig.node("compute-1").refresh()
    done = rig.ok("compute-1", check_list=True)
    assert rig.holds("compute-1") == WANTED
    assert rig.reboots() == ["compute-1"] * 2, "MAX_ACC_OUT_READ shows after the first"
    assert not rig.service("compute-1").disabled
    assert "compute-1: ATS_ENABLED=1 (was 0), ADVANCED_PCI_SETTINGS=1 (was 0)\n" in done.stderr
    assert "compute-1: firmware 20.32.1010, LINK_TYPE_P1=1 SRIOV_EN=1 NUM_OF_VFS=8" in done.stdout
    assert "svm, 34 IOMMU groups, 8 VFs, ACS direct translation on c2:04.0 c2:08.0" in done.stdout
    assert done.stdout.count("[ ] boot order: PXE") == 1
    acs = rig.lab.ok("compute-1", "lspci -s c2:04.0 -vvv | grep ACSCtl")
    assert "DirectTrans+" in acs, "set after the last reboot"


def test_what_is_as_wanted_is_left_alone(rig: Rig) -> None:
    first = rig.ok("compute-1")
    rig.lab.fabric.events.clear()
    rig.guest("compute-1")
    second = rig.ok("compute-1")
    assert (second.stdout, second.stderr, rig.reboots()) == (first.stdout, "", [])


def test_only_what_differs_is_set(rig: Rig) -> None:
    rig.ok("compute-1")
    rig.lab.fabric.events.clear()
    done = rig.ok("compute-1", settings={**WANTED, "NUM_OF_VFS": 16})
    assert rig.holds("compute-1")["NUM_OF_VFS"] == 16
    assert rig.reboots() == ["compute-1"]
    assert "compute-1: NUM_OF_VFS=16 (was 8)\n" in done.stderr


def test_disabled_and_empty_while_it_is_changed(rig: Rig) -> None:
    seen = []

    def look() -> None:
        seen.append(rig.service("compute-1"))

    assert rig.run_and("compute-1: reboots", look, "compute-1")[0] == 0
    assert seen[0].disabled
    assert seen[0].reason.startswith(REASON)
    assert not rig.service("compute-1").disabled


def test_mft_s_tool_where_the_host_has_it(rig: Rig) -> None:
    with rig.node("compute-1").change():
        rig.node("compute-1").state.packages = ["mft"]
    rig.node("compute-1").refresh()
    rig.ok("compute-1")
    assert rig.holds("compute-1") == WANTED
    assert rig.node("compute-1").state.packages == ["mft"], "nothing was installed"


def test_mft_s_tool_alone_is_never_installed(rig: Rig) -> None:
    assert "compute-1: no mlxconfig; install MFT" in rig.refused("compute-1", tool="mlxconfig")


# -- waves


def test_a_wave_s_computes_are_down_together(rig: Rig) -> None:
    rig.nova.meet = threading.Barrier(2)
    rig.ok("compute-1", "compute-2")
    assert sorted(rig.reboots()) == ["compute-1", "compute-2"]


def test_no_other_wave_s_compute_is_touched(rig: Rig) -> None:
    before = rig.holds("compute-2")
    rig.ok("compute-1")
    assert set(rig.reboots()) == {"compute-1"}
    assert rig.holds("compute-2") == before


def test_one_that_is_refused_keeps_its_wave_from_being_changed(rig: Rig) -> None:
    rig.guest("compute-2")
    said = rig.refused("compute-1", "compute-2")
    assert "compute-2: instance vm1_gpu (7c1f) is ACTIVE" in said
    assert "compute-1: instance" not in said
    assert rig.reboots() == []
    assert rig.holds("compute-1")["ATS_ENABLED"] == 0
    assert not rig.service("compute-1").disabled
    assert not rig.service("compute-2").disabled


def test_two_runs_wait_for_each_other(rig: Rig) -> None:
    second: list[tuple[int, str]] = []

    def again() -> None:
        second.append(rig.run_and("an earlier run is still at work", rig.nova.go.set, "compute-1"))

    rig.nova.go.clear()
    thread = threading.Thread(target=again)
    assert rig.run_and("compute-1: reboots", thread.start, "compute-1")[0] == 0
    thread.join()
    assert second[0][0] == 0
    assert rig.reboots() == ["compute-1"]


# -- instances


@pytest.mark.parametrize("status", ["ACTIVE", "BUILD", "PAUSED"])
def test_never_with_instances_on_it(rig: Rig, status: str) -> None:
    rig.guest("compute-1", status)
    said = rig.refused("compute-1")
    assert f"instance vm1_gpu (7c1f) is {status}" in said
    assert "(B1)" in said
    assert rig.reboots() == []
    assert not rig.service("compute-1").disabled


def test_a_stopped_instance_may_stay(rig: Rig) -> None:
    rig.guest("compute-1", "SHUTOFF")
    rig.ok("compute-1")


def test_drain_waits_until_it_is_empty(rig: Rig) -> None:
    rig.guest("compute-1")

    def leave() -> None:
        assert rig.service("compute-1").disabled
        rig.nova.vms = []

    assert rig.run_and("instance vm1_gpu (7c1f) is ACTIVE", leave, "compute-1", instances="drain")[0] == 0
    assert rig.holds("compute-1") == WANTED
    assert not rig.service("compute-1").disabled


def test_a_drain_without_end_is_taken_up_by_the_next_run(rig: Rig) -> None:
    rig.guest("compute-1")
    said = rig.refused("compute-1", instances="drain", drain_limit=0.5)
    assert "no new instances are placed on it" in said
    assert rig.service("compute-1").disabled, "it goes on emptying"
    rig.nova.vms = []
    rig.ok("compute-1", instances="drain")
    assert not rig.service("compute-1").disabled


# -- whose service it is


def test_what_somebody_else_disabled_stays_disabled(rig: Rig) -> None:
    hostname = rig.plan.host("compute-1").hostname
    rig.nova.set_compute(hostname, disabled=True, reason="fan 3 is loud")
    rig.ok("compute-1")
    assert rig.holds("compute-1") == WANTED
    assert (rig.service("compute-1").disabled, rig.service("compute-1").reason) == (True, "fan 3 is loud")


@pytest.mark.parametrize("at", ["ATS_ENABLED=1 (was 0)", "compute-1: reboots", "it is not back"])
def test_a_run_that_was_cut_off_is_taken_up(rig: Rig, at: str) -> None:
    assert rig.run_and(at, rig.kill, "compute-1")[0] != 0
    assert rig.service("compute-1").disabled
    rig.ok("compute-1")
    assert rig.holds("compute-1") == WANTED
    assert not rig.service("compute-1").disabled
    assert len(rig.reboots()) in (1, 2)


def test_cut_off_at_its_very_end(rig: Rig) -> None:
    rig.ok("compute-1")
    rig.nova.set_compute(rig.plan.host("compute-1").hostname, disabled=True, reason=f"{REASON} (B1)")
    rig.ok("compute-1")
    assert not rig.service("compute-1").disabled


# -- what goes wrong


def test_a_parameter_that_does_not_stick_is_named(rig: Rig) -> None:
    rig.spoil("compute-1", stuck=["ATS_ENABLED"])
    said = rig.refused("compute-1")
    assert "compute-1: ATS_ENABLED is 0 and not 1 after the reboot; the adapter does not keep it" in said
    assert "nova places nothing on it before a run succeeds" in said
    assert rig.service("compute-1").disabled
    assert rig.reboots() == ["compute-1"]


def test_a_node_that_does_not_come_back(rig: Rig) -> None:
    rig.spoil("compute-1", dead=True)
    said = rig.refused("compute-1", reboot_limit=8)
    assert re.search(r"compute-1: it is not back, after \S+ minutes; see its console", said)
    assert rig.service("compute-1").disabled
    rig.spoil("compute-1")
    rig.node("compute-1").power_on()
    rig.ok("compute-1")
    assert not rig.service("compute-1").disabled


def test_enabled_only_once_nova_compute_is_healthy(rig: Rig) -> None:
    rig.nova.sick = {rig.plan.host("compute-1").hostname}
    said = rig.refused("compute-1", reboot_limit=8)
    assert "compute-1: nova_compute is not healthy, after" in said
    assert rig.service("compute-1").disabled


def test_a_parameter_that_the_adapter_does_not_know(rig: Rig) -> None:
    rig.ok("compute-1")
    assert "the adapter has no parameter NONSENSE" in rig.refused("compute-1", settings={**WANTED, "NONSENSE": 1})


def test_a_host_key_that_is_not_the_known_one(rig: Rig) -> None:
    wrong = rig.order("compute-2").host_keys[0].split(" ", 1)[1]
    name = rig.order("compute-1").host_keys[0].split(" ", 1)[0]
    said = rig.refused("compute-1", host_keys=[f"{name} {wrong}"], reboot_limit=0.3)
    assert "Host key verification failed" in said


# -- BIOS


def test_all_that_the_bios_lacks_at_once_and_before_anything_is_done(rig: Rig) -> None:
    rig.spoil("compute-1", bios={"virtualization": False, "acs": False, "boot_mode": "uefi"})
    rig.spoil("compute-2", bios={"virtualization": False})
    said = rig.refused("compute-1", "compute-2")
    assert "compute-1: it has booted by uefi; set the BIOS to bios" in said
    assert "compute-1: no hardware virtualization; enable VT-x or SVM" in said
    assert "compute-1: PCIe bridge c2:04.0 has no ACS" in said
    assert "compute-1: PCIe bridge c2:08.0 has no ACS" in said
    assert "compute-2: no hardware virtualization" in said
    assert rig.reboots() == []
    assert not rig.service("compute-1").disabled


def test_what_only_the_settled_compute_shows(rig: Rig) -> None:
    rig.spoil("compute-1", bios={"iommu": False, "sriov": False})
    said = rig.refused("compute-1")
    assert "compute-1: no IOMMU; enable VT-d or AMD-Vi" in said
    assert "compute-1: the adapter offers 0 VFs of 8; enable SR-IOV" in said


def test_kernel_arguments_that_tripleo_has_not_set(rig: Rig) -> None:
    said = rig.refused("compute-1", kernel_args="amd_iommu=on iommu=pt hugepages=64")
    assert "the kernel runs without hugepages=64" in said


def test_an_old_firmware_is_refused(rig: Rig) -> None:
    said = rig.refused("compute-1", minimum_release="20.32.2000")
    assert "the adapter's firmware is 20.32.1010; bring it to 20.32.2000" in said
    rig.ok("compute-1", minimum_release="20.9.3000")


def test_another_slot_has_no_adapter(rig: Rig) -> None:
    assert "Failed to open the device 41:00.0" in rig.refused("compute-1", device="41:00.0")


def test_a_gpu_elsewhere_is_a_remark(rig: Rig) -> None:
    assert "remark: no GPU shares a PCIe bridge with the adapter (B3)" in rig.ok("compute-1", gpu="10de:ffff").stdout


# -- what a boot resets


def acs(rig: Rig) -> list[str]:
    """ACSCtl of the bridges above the adapter and the GPU beside it."""
    return [rig.lab.ok("compute-1", f"lspci -s {bridge} -vvv | grep ACSCtl") for bridge in ("c2:04.0", "c2:08.0")]


def read_request(rig: Rig) -> str:
    return rig.lab.ok("compute-1", f"lspci -s {rig.plan.site.compute.hca} -vvv | grep -o 'MaxReadReq [0-9]*'")


def test_a_later_reboot_restores_acs(rig: Rig) -> None:
    rig.ok("compute-1")
    rig.node("compute-1").reboot()
    assert all("DirectTrans+" in control for control in acs(rig))
    rig.lab.ok("compute-1", "systemctl disable rack-pcie")
    rig.node("compute-1").reboot()
    assert all("DirectTrans-" in control for control in acs(rig)), "without the unit, a reboot loses it"


def test_a_compute_whose_acs_is_set_gets_the_unit_without_a_change(rig: Rig) -> None:
    rig.ok("compute-1")
    rig.lab.ok("compute-1", "rm /etc/systemd/system/rack-pcie.service; systemctl daemon-reload")
    rig.lab.fabric.events.clear()
    rig.guest("compute-1")
    rig.ok("compute-1")
    assert rig.reboots() == []
    rig.node("compute-1").reboot()
    assert all("DirectTrans+" in control for control in acs(rig))


def test_max_read_request_is_set_where_configured(rig: Rig) -> None:
    rig.ok("compute-1")
    assert read_request(rig) == "MaxReadReq 512\n"
    rig.guest("compute-1")
    rig.ok("compute-1", read_request=4096)
    assert read_request(rig) == "MaxReadReq 4096\n"
    rig.node("compute-1").reboot()
    assert read_request(rig) == "MaxReadReq 4096\n"


# -- controllers


def test_a_controller_is_infiniband_and_comes_back_into_the_cluster(rig: Rig) -> None:
    with rig.node("controller-1").change():
        rig.node("controller-1").state.firmware = {"LINK_TYPE_P1": 2}
    done = rig.ok("controller-1", check_list=True)
    assert rig.reboots() == ["controller-1"]
    assert rig.holds("controller-1")["LINK_TYPE_P1"] == 1
    assert rig.holds("controller-1")["ATS_ENABLED"] == 0
    assert "overcloud-controller-0" in rig.lab.ok("controller-2", "pcs status nodes")
    assert "SR-IOV" not in done.stdout
    assert "[ ] boot order: PXE" in done.stdout


def test_a_controller_that_is_as_wanted_stays_up(rig: Rig) -> None:
    rig.ok("controller-2")
    assert rig.reboots() == []


def test_the_quorum_comes_first(rig: Rig) -> None:
    with rig.node("controller-1").change():
        rig.node("controller-1").state.firmware = {"LINK_TYPE_P1": 2}
    rig.lab.ok("controller-3", "pcs cluster stop")
    assert "Stopping the node will cause a loss of the quorum" in rig.refused("controller-1")
    assert rig.reboots() == []
    rig.ok("controller-1", alone=True)


# -- its words


def test_settings_reads_what_the_tools_print() -> None:
    listing = """
Device #1:
----------

Device type:    ConnectX6
Name:           MCX653106A-HDA_Ax
Device:         c5:00.0

Configurations:                              Default         Current         Next Boot
         MEMIC_BAR_SIZE                      0               0               0
RO       MULTI_PORT_VHCA_EN                  False(0)        False(0)        False(0)
*        ATS_ENABLED                         False(0)        False(0)        True(1)
*        MAX_ACC_OUT_READ                    0               44              44
         ESWITCH_HAIRPIN_DESCRIPTORS         Array[0..7]     Array[0..7]     Array[0..7]
The '*' shows parameters with next value different from default/current value.
"""
    found = settings(listing)
    assert found["ATS_ENABLED"] == Value("0", "1")
    assert found["MAX_ACC_OUT_READ"] == Value("44", "44")
    assert found.keys() == {
        "MEMIC_BAR_SIZE", "MULTI_PORT_VHCA_EN", "ATS_ENABLED", "MAX_ACC_OUT_READ", "ESWITCH_HAIRPIN_DESCRIPTORS"
    }  # fmt: skip


@pytest.mark.parametrize("line", ["c0:01.0/c5:00.0 Infiniband controller: x", "0000:c0:01.0/c5:00.0 x"])
def test_bus_path(line: str) -> None:
    assert bus_path(line) == ["c0:01.0", "c5:00.0"]
