"""`wave.py` on the lab's undercloud.

It reaches the nodes over real SSH with the key of user `stack`, sets their adapters, reboots them, and asks the
overcloud's nova. The nodes' kernels show the result of firmware and BIOS.
"""

import re
import shlex
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from access import nodes as overcloud_nodes
from access.ssh import as_stack
from components import firmware
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
from tests.lab.hosts.fakes import OVERCLOUD_LOGIN, FakeCloud
from tests.onhost.undercloud.progress import run_and

pytestmark = [*MARKS, pytest.mark.timeout(180)]

PROGRAM = shipping.program("undercloud.wave")
RUN = as_stack(f"exec python3 {firmware.PROGRAM}")
WANTED = {
    "LINK_TYPE_P1": 1, "SRIOV_EN": 1, "NUM_OF_VFS": 8, "ATS_ENABLED": 1, "ADVANCED_PCI_SETTINGS": 1,
    "MAX_ACC_OUT_READ": 44,
}  # fmt: skip
VFS = {"SRIOV_EN": 1, "NUM_OF_VFS": 8}
"""What a compute's adapter has since before its deployment (`factory.py`)."""


class Nova(FakeCloud):
    """Nova's compute services, which can be kept from starting after a reboot."""

    def __init__(self) -> None:
        super().__init__()
        self.meet: threading.Barrier | None = None
        """If set, no compute starts before as many computes as the barrier counts are down."""
        self.go = threading.Event()
        """Until it is set, no compute starts."""
        self.go.set()
        self.sick: set[str] = set()
        """Computes whose next start fails."""
        self.asked: Callable[[], object] = bool
        """Called while a client waits for nova's answer."""

    def computes(self) -> Sequence[ComputeService]:
        self.asked()
        return super().computes()

    def restart_compute(self, host: str, hardware: ComputeHardware, say: Say) -> None:
        if host in self.sick:
            self.sick.remove(host)
            raise LabError("nova-compute does not come up")
        self.go.wait(30)
        if self.meet:
            self.meet.wait(30)
        super().restart_compute(host, hardware, say)


class Rig:
    """Deployed nodes, and the program on the undercloud."""

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
        """Start all nodes, with every compute enabled and empty. A compute lacks only ATS_ENABLED: one reboot."""
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
                node.state.firmware = {**VFS, "ADVANCED_PCI_SETTINGS": 1, "MAX_ACC_OUT_READ": 44}
            node.power_on()

    def spoil(self, name: str, **faults: Any) -> None:
        """Inject hardware faults. The node reboots if its BIOS changes."""
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
        made = overcloud_nodes.wave_order(self.plan, nodes[0].role, nodes, keys, check_list=False)
        usual = {"pauses": (0.05, 0.2), "reboot_limit": 20, "drain_limit": 20}
        return made._replace(**{**usual, **changes})

    def _known(self, host: Host) -> str:
        port = self.plan.site.ssh.node_port
        return f"[{host.address}]:{port} {public_key(self.node(host.name).host_key)}\n"

    command = RUN

    def run(self, *names: str, **changes: Any) -> subprocess.CompletedProcess[str]:
        return self._checked(self.lab.run("undercloud", self.command, encode(self.order(*names, **changes))))

    def ok(self, *names: str, **changes: Any) -> subprocess.CompletedProcess[str]:
        done = self.run(*names, **changes)
        assert done.returncode == 0, done.stderr
        return done

    def refused(self, *names: str, **changes: Any) -> str:
        done = self.run(*names, **changes)
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        return done.stderr

    def run_and(self, at: str, act: Callable[[], object], *names: str, **changes: Any) -> tuple[int, str]:
        """Return status and standard error; calls `act` at the first line of progress that contains `at`."""
        done = self._checked(run_and(self.lab, self.command, encode(self.order(*names, **changes)), at, act))
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
        """Kill the program that runs on the undercloud, as a power cut would."""
        self.lab.ok("undercloud", f"pkill -9 -f 'python3 {firmware.PROGRAM}'")


def environments() -> bytes:
    """Return the environments of all processes of this machine, which are also those of the lab's hosts."""
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # the process has ended
            found.append(file.read_bytes())
    return b"\0".join(found)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    rig = Rig(tmp_path_factory.mktemp("rig"))
    yield rig
    rig.lab.stop()


@pytest.fixture
def rig(shared: Rig) -> Rig:
    shared.fresh()
    return shared


# -- the cloud's login


@pytest.mark.parametrize("fails", [False, True])
def test_the_cloud_s_password_is_in_no_environment_and_in_no_file_afterwards(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    canary, seen = OVERCLOUD_LOGIN["OS_PASSWORD"], list[bytes]()
    monkeypatch.setattr(rig.nova, "asked", lambda: seen.append(environments()))
    if fails:
        rig.guest("compute-1")
    done = rig.run("compute-1")
    assert (done.returncode != 0) == fails, done.stderr
    assert seen, "nova was asked"
    assert [text for text in seen if canary.encode() in text] == []
    assert all(b"OS_CLIENT_CONFIG_FILE=/dev/fd/" in text for text in seen)
    assert canary not in done.stdout + done.stderr
    files = rig.lab.ok(
        "undercloud", f"grep -rslF -- {shlex.quote(canary)} /home /tmp /var /run /dev/shm || true"
    ).split()
    assert files == ["/home/stack/overcloudrc"]


# -- without faults


def test_a_new_compute_that_has_its_vfs_gets_the_guide_s_settings(rig: Rig) -> None:
    with rig.node("compute-1").change():
        rig.node("compute-1").state.packages, rig.node("compute-1").state.firmware = [], dict(VFS)
    rig.node("compute-1").refresh()
    done = rig.ok("compute-1", check_list=True)
    assert rig.holds("compute-1") == WANTED
    assert rig.reboots() == ["compute-1"] * 2, "MAX_ACC_OUT_READ is hidden until the first reboot"
    assert not rig.service("compute-1").disabled
    assert "compute-1: ATS_ENABLED=1 (was 0), ADVANCED_PCI_SETTINGS=1 (was 0)\n" in done.stderr
    assert "compute-1: firmware 20.32.1010, LINK_TYPE_P1=1 SRIOV_EN=1 NUM_OF_VFS=8" in done.stdout
    assert "svm, 34 IOMMU groups, 8 VFs, ACS direct translation on c2:04.0 c2:08.0" in done.stdout
    assert done.stdout.count("[ ] boot order: PXE") == 1
    acs = rig.lab.ok("compute-1", "lspci -s c2:04.0 -vvv | grep ACSCtl")
    assert "DirectTrans+" in acs, "ACS is set again after the last reboot"


def test_a_compute_with_the_wanted_settings_is_not_touched(rig: Rig) -> None:
    first = rig.ok("compute-1")
    rig.lab.fabric.events.clear()
    rig.guest("compute-1")
    second = rig.ok("compute-1")
    assert (second.stdout, second.stderr, rig.reboots()) == (first.stdout, "", [])


def test_only_different_parameters_are_set(rig: Rig) -> None:
    rig.ok("compute-1")
    rig.lab.fabric.events.clear()
    done = rig.ok("compute-1", settings={**WANTED, "MAX_ACC_OUT_READ": 32})
    assert rig.holds("compute-1") == {**WANTED, "MAX_ACC_OUT_READ": 32}
    assert rig.reboots() == ["compute-1"]
    assert "compute-1: MAX_ACC_OUT_READ=32 (was 44)\n" in done.stderr


def test_a_deployed_compute_never_gets_other_vfs(rig: Rig) -> None:
    said = rig.refused("compute-1", settings={**WANTED, "NUM_OF_VFS": 16})
    assert "compute-1: NUM_OF_VFS is 8 and not 16, and a deployed node keeps its VFs; remove its entry" in said
    rig.node("compute-2").replace_adapter()
    said = rig.refused("compute-2")
    assert "compute-2: SRIOV_EN is 0 and not 1, NUM_OF_VFS is 0 and not 8, and a deployed node keeps" in said
    assert rig.reboots() == []
    assert not rig.service("compute-1").disabled


def test_a_compute_is_disabled_in_nova_while_it_is_changed(rig: Rig) -> None:
    seen = []

    def look() -> None:
        seen.append(rig.service("compute-1"))

    assert rig.run_and("compute-1: reboots", look, "compute-1")[0] == 0
    assert seen[0].disabled
    assert seen[0].reason.startswith(REASON)
    assert not rig.service("compute-1").disabled


def test_mft_s_tool_is_used_where_it_is_installed(rig: Rig) -> None:
    with rig.node("compute-1").change():
        rig.node("compute-1").state.packages = ["mft"]
    rig.node("compute-1").refresh()
    rig.ok("compute-1")
    assert rig.holds("compute-1") == WANTED
    assert rig.node("compute-1").state.packages == ["mft"], "no package was installed"


def test_a_missing_mlxconfig_is_reported_and_not_installed(rig: Rig) -> None:
    assert "compute-1: no mlxconfig; install MFT" in rig.refused("compute-1", tool="mlxconfig")


# -- waves


def test_the_computes_of_a_wave_reboot_at_the_same_time(rig: Rig) -> None:
    rig.nova.meet = threading.Barrier(2)
    rig.ok("compute-1", "compute-2")
    assert sorted(rig.reboots()) == ["compute-1", "compute-2"]


def test_computes_of_other_waves_are_not_touched(rig: Rig) -> None:
    before = rig.holds("compute-2")
    rig.ok("compute-1")
    assert set(rig.reboots()) == {"compute-1"}
    assert rig.holds("compute-2") == before


def test_a_refused_compute_stops_its_whole_wave_before_any_change(rig: Rig) -> None:
    rig.guest("compute-2")
    said = rig.refused("compute-1", "compute-2")
    assert "compute-2: instance vm1_gpu (7c1f) is ACTIVE" in said
    assert "compute-1: instance" not in said
    assert rig.reboots() == []
    assert rig.holds("compute-1")["ATS_ENABLED"] == 0
    assert not rig.service("compute-1").disabled
    assert not rig.service("compute-2").disabled


def test_a_second_run_waits_for_the_first(rig: Rig) -> None:
    second: list[tuple[int, str]] = []

    def again() -> None:
        second.append(rig.run_and("an earlier run is still active", rig.nova.go.set, "compute-1"))

    rig.nova.go.clear()
    thread = threading.Thread(target=again)
    assert rig.run_and("compute-1: reboots", thread.start, "compute-1")[0] == 0
    thread.join()
    assert second[0][0] == 0
    assert rig.reboots() == ["compute-1"]


# -- instances


@pytest.mark.parametrize("status", ["ACTIVE", "BUILD", "PAUSED"])
def test_a_compute_with_instances_is_refused(rig: Rig, status: str) -> None:
    rig.guest("compute-1", status)
    said = rig.refused("compute-1")
    assert f"instance vm1_gpu (7c1f) is {status}" in said
    assert "(B1)" in said
    assert rig.reboots() == []
    assert not rig.service("compute-1").disabled


def test_a_compute_with_a_stopped_instance_is_accepted(rig: Rig) -> None:
    rig.guest("compute-1", "SHUTOFF")
    rig.ok("compute-1")


def test_a_drain_waits_until_the_compute_is_empty(rig: Rig) -> None:
    rig.guest("compute-1")

    def leave() -> None:
        assert rig.service("compute-1").disabled
        rig.nova.vms = []

    assert rig.run_and("instance vm1_gpu (7c1f) is ACTIVE", leave, "compute-1", instances="drain")[0] == 0
    assert rig.holds("compute-1") == WANTED
    assert not rig.service("compute-1").disabled


def test_a_drain_that_times_out_is_continued_by_the_next_run(rig: Rig) -> None:
    rig.guest("compute-1")
    said = rig.refused("compute-1", instances="drain", drain_limit=0.5)
    assert "nova places no new instances on it" in said
    assert rig.service("compute-1").disabled, "the compute keeps draining"
    rig.nova.vms = []
    rig.ok("compute-1", instances="drain")
    assert not rig.service("compute-1").disabled


# -- disabled services


def test_a_service_that_an_operator_disabled_stays_disabled(rig: Rig) -> None:
    hostname = rig.plan.host("compute-1").hostname
    rig.nova.set_compute(hostname, disabled=True, reason="fan 3 is loud")
    rig.ok("compute-1")
    assert rig.holds("compute-1") == WANTED
    assert (rig.service("compute-1").disabled, rig.service("compute-1").reason) == (True, "fan 3 is loud")


@pytest.mark.parametrize("at", ["ATS_ENABLED=1 (was 0)", "compute-1: reboots", "it has not come back"])
def test_the_next_run_resumes_after_a_kill(rig: Rig, at: str) -> None:
    assert rig.run_and(at, rig.kill, "compute-1")[0] != 0
    assert rig.service("compute-1").disabled
    rig.ok("compute-1")
    assert rig.holds("compute-1") == WANTED
    assert not rig.service("compute-1").disabled
    assert len(rig.reboots()) in (1, 2)


def test_the_next_run_enables_a_compute_that_only_lacked_that_step(rig: Rig) -> None:
    rig.ok("compute-1")
    rig.nova.set_compute(rig.plan.host("compute-1").hostname, disabled=True, reason=f"{REASON} (B1)")
    rig.ok("compute-1")
    assert not rig.service("compute-1").disabled


# -- faults


def test_a_parameter_that_does_not_stick_is_reported(rig: Rig) -> None:
    rig.spoil("compute-1", stuck=["ATS_ENABLED"])
    said = rig.refused("compute-1")
    assert "compute-1: ATS_ENABLED is 0 and not 1 after the reboot; the adapter does not keep it" in said
    assert "nova places nothing on it before a run succeeds" in said
    assert rig.service("compute-1").disabled
    assert rig.reboots() == ["compute-1"]


def test_a_node_that_stays_down_times_out_and_stays_disabled(rig: Rig) -> None:
    rig.spoil("compute-1", dead=True)
    said = rig.refused("compute-1", reboot_limit=8)
    assert re.search(
        r"compute-1: timed out after \S+ minutes: it has not come back from its reboot; see its console", said
    )
    assert rig.service("compute-1").disabled
    rig.spoil("compute-1")
    rig.node("compute-1").power_on()
    rig.ok("compute-1")
    assert not rig.service("compute-1").disabled


def test_a_compute_stays_disabled_while_nova_compute_is_unhealthy(rig: Rig) -> None:
    rig.nova.sick = {rig.plan.host("compute-1").hostname}
    said = rig.refused("compute-1", reboot_limit=8)
    assert "minutes: nova_compute is not healthy; see podman ps" in said
    assert rig.service("compute-1").disabled


def test_an_unknown_parameter_is_refused(rig: Rig) -> None:
    rig.ok("compute-1")
    assert "the adapter has no parameter NONSENSE" in rig.refused("compute-1", settings={**WANTED, "NONSENSE": 1})


def test_a_node_with_another_host_key_is_refused(rig: Rig) -> None:
    wrong = rig.order("compute-2").host_keys[0].split(" ", 1)[1]
    name = rig.order("compute-1").host_keys[0].split(" ", 1)[0]
    said = rig.refused("compute-1", host_keys=[f"{name} {wrong}"], reboot_limit=0.3)
    assert "Host key verification failed" in said


# -- BIOS


def test_all_bios_faults_are_reported_together_before_any_change(rig: Rig) -> None:
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


def test_bios_faults_that_need_a_reboot_to_show_are_reported_afterwards(rig: Rig) -> None:
    rig.spoil("compute-1", bios={"iommu": False, "sriov": False})
    said = rig.refused("compute-1")
    assert "compute-1: no IOMMU; enable VT-d or AMD-Vi" in said
    assert "compute-1: the adapter offers 0 VFs of 8; enable SR-IOV" in said


def test_missing_kernel_arguments_are_reported(rig: Rig) -> None:
    said = rig.refused("compute-1", kernel_args="amd_iommu=on iommu=pt hugepages=64")
    assert "the kernel runs without hugepages=64" in said


def test_an_old_firmware_is_refused(rig: Rig) -> None:
    said = rig.refused("compute-1", minimum_release="20.32.2000")
    assert "the adapter's firmware is 20.32.1010; bring it to 20.32.2000" in said
    rig.ok("compute-1", minimum_release="20.9.3000")


def test_a_pci_address_without_an_adapter_is_refused(rig: Rig) -> None:
    assert "Failed to open the device 41:00.0" in rig.refused("compute-1", device="41:00.0")


def test_a_gpu_on_another_bridge_is_a_remark(rig: Rig) -> None:
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


def test_a_controller_is_set_to_infiniband_and_rejoins_the_cluster(rig: Rig) -> None:
    with rig.node("controller-1").change():
        rig.node("controller-1").state.firmware = {"LINK_TYPE_P1": 2}
    done = rig.ok("controller-1", check_list=True)
    assert rig.reboots() == ["controller-1"]
    assert rig.holds("controller-1")["LINK_TYPE_P1"] == 1
    assert rig.holds("controller-1")["ATS_ENABLED"] == 0
    assert "overcloud-controller-0" in rig.lab.ok("controller-2", "pcs status nodes")
    assert "SR-IOV" not in done.stdout
    assert "[ ] boot order: PXE" in done.stdout


def test_a_controller_with_the_wanted_settings_is_not_rebooted(rig: Rig) -> None:
    rig.ok("controller-2")
    assert rig.reboots() == []


def test_a_controller_whose_reboot_would_lose_the_quorum_is_refused(rig: Rig) -> None:
    with rig.node("controller-1").change():
        rig.node("controller-1").state.firmware = {"LINK_TYPE_P1": 2}
    rig.lab.ok("controller-3", "pcs cluster stop")
    assert "Stopping the node will cause a loss of the quorum" in rig.refused("controller-1")
    assert rig.reboots() == []
    rig.ok("controller-1", alone=True)


# -- parsed output of tools


def test_settings_reads_the_listing_of_mlxconfig() -> None:
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
def test_bus_path_returns_the_bridges_and_the_device(line: str) -> None:
    assert bus_path(line) == ["c0:01.0", "c5:00.0"]
