"""A wave's steps, with nodes (adapter, PCIe bridges, boots) and nova in memory."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from onhost.undercloud import common, wave, wave_compute, wave_node, wave_run
from onhost.undercloud.adapter import TOOL
from onhost.undercloud.common import Fault
from onhost.undercloud.orders import SshAccess, WaveMember, WaveOrder, encode
from onhost.undercloud.pcie import BRIDGES, RESTORE, unit
from onhost.undercloud.shell import Unreachable
from onhost.undercloud.wave_compute import NOVA_HEALTHY, QEMU, REASON, Compute
from onhost.undercloud.wave_controller import REJOINED, Controller
from onhost.undercloud.wave_node import FACTS
from tests.onhost.undercloud.clock import Clock

HOST = "cloud-compute-0.local"
MEMBER = WaveMember("compute-1", "192.0.2.21", HOST)


class Machine:
    """A node behind a shell. A boot applies the adapter's next values and resets ACS."""

    def __init__(self, role: str) -> None:
        self.role, self.scripts = role, list[str]()
        self.current = {"ATS_ENABLED": "False(0)", "NUM_OF_VFS": "8"}
        self.following = dict(self.current)
        self.sticks = self.acs_sticks = True
        self.acs = self.acs_capable = self.gpu_beside = True
        self.boots, self.down, self.down_after = 0, 0, 2
        self.unhealthy = 0
        self.qemu = ""
        self.facts = {
            "boot_mode": "bios", "release": "20.32.1010", "virtualization": "svm", "kvm": "yes", "iommu_groups": "34",
            "vfs": "8", "kernel_args": "ro iommu=pt",
        }  # fmt: skip

    def run(self, script: str) -> str:
        self.scripts.append(script)
        if self.down:
            self.down -= 1
            raise Unreachable("compute-1 cannot be reached by SSH: refused")
        answers = {
            "cat /proc/sys/kernel/random/boot_id": f"boot-{self.boots}\n",
            TOOL.format(tools="mstconfig mlxconfig"): "noise\n/usr/bin/mstconfig\n",
            TOOL.format(tools="mlxconfig"): "/opt/mft/mlxconfig\n",
            FACTS.format(device="0000:c5:00.0"): "".join(f"{key} {value}\n" for key, value in self.facts.items()),
            BRIDGES.format(device="c5:00.0", gpu="10de:20b5"): self.bridges(),
            NOVA_HEALTHY: "" if self.role != "compute" or self.sick() else "0123abcd\n",
            QEMU: self.qemu,
        }
        return answers[script] if script in answers else self.change(script)

    def change(self, script: str) -> str:
        words = script.split()
        if script == REJOINED:
            return "pacemaker is not online\n" if self.sick() else ""
        if words[1:] == ["-d", "c5:00.0", "-e", "query"]:
            return "".join(f"*   {n}   1   {v}   {self.following[n]}\n" for n, v in self.current.items())
        if words[1:5] == ["-d", "c5:00.0", "-y", "set"]:
            self.following.update({name: value for name, _, value in (word.partition("=") for word in words[5:])})
        elif script == "systemctl reboot":
            self.boots, self.down, self.acs = self.boots + 1, self.down_after, False
            self.current = dict(self.following) if self.sticks else self.current
            raise Unreachable("it went down")
        elif script == RESTORE:
            self.acs = self.acs_sticks
        else:
            stops = ("pcs cluster stop >&2", "pcs cluster stop --force >&2")
            assert script in (*stops, unit("c5:00.0", None)), script
        return ""

    def bridges(self) -> str:
        on = "+" if self.acs else "-"
        gpu = "c0:01.0/c2:08.0/c6:00.0" if self.gpu_beside else "80:01.0/81:00.0/82:00.0"
        register = f"\tACSCap:\tDirectTrans{'+' if self.acs_capable else '-'}\n\tACSCtl:\tDirectTrans{on}\n"
        return (
            f"c0:01.0/c2:04.0/c5:00.0 Infiniband\n--\n{gpu} 3D controller\n--\n"
            f"c2:04.0 PCI bridge\n{register}\n0000:c2:08.0 PCI bridge\n{register}"
        )

    def sick(self) -> bool:
        self.unhealthy = max(0, self.unhealthy - 1)
        return self.unhealthy > 0

    def close(self) -> None:
        self.scripts.append("close")

    @property
    def sets(self) -> list[str]:
        return [script.split(" set ")[1] for script in self.scripts if " set " in script]


class Nova:
    """One compute service and its instances."""

    def __init__(self) -> None:
        self.service = {"Status": "enabled", "State": "up", "Disabled Reason": None}
        self.servers: list[tuple[str, str]] = []
        self.did: list[str] = []
        self.known = True

    def openstack_json(self, *words: str, login: str) -> Any:
        assert login.endswith("/cloudrc")
        assert HOST in words
        if words[0] == "compute":
            return [dict(self.service)] if self.known else []
        assert words[:3] == ("server", "list", "--all-projects")
        return [{"ID": f"id-{name}", "Name": name, "Status": status} for name, status in self.servers]

    def openstack(self, *words: str, login: str) -> str:
        assert login.endswith("/cloudrc")
        assert words[:3] == ("compute", "service", "set")
        assert words[-2:] == (HOST, "nova-compute")
        self.did.append(" ".join(words[3:-2]))
        return ""


class Rig:
    """A machine, nova, and an order for them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.machine, self.nova = str(folder), Machine("compute"), Nova()
        self.order = WaveOrder(
            kind="compute", nodes=[MEMBER], host_keys=["192.0.2.21 ssh-ed25519 AAAA"],
            ssh=SshAccess("heat-admin", 22, "cloud"),
            tool="auto", device="c5:00.0", settings={"ATS_ENABLED": 1, "NUM_OF_VFS": 8}, minimum_release="20.30.1000",
            instances="refuse", alone=False, boot_mode="bios", kernel_args="iommu=pt", gpu="10de:20b5",
            read_request=None, drain_limit=120, reboot_limit=60, pauses=[1.0, 4.0], check_list=False,
        )  # fmt: skip

    def node(self, **changes: Any) -> Compute:
        return Compute(self.order._replace(**changes), MEMBER, self.folder)

    def controller(self, **changes: Any) -> Controller:
        self.machine.role = "controller"
        return Controller(self.order._replace(**changes), MEMBER, self.folder)

    def wanted(self) -> None:
        """Give the adapter the values of the order."""
        self.machine.current = {"ATS_ENABLED": "True(1)", "NUM_OF_VFS": "8"}
        self.machine.following = dict(self.machine.current)


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Rig:
    rig = Rig(tmp_path)
    clock = Clock()
    monkeypatch.setattr(common, "time", clock)
    monkeypatch.setattr(wave_node, "time", clock)
    monkeypatch.setattr(wave_node, "Shell", lambda *_: rig.machine)
    monkeypatch.setattr(wave_compute, "openstack", rig.nova.openstack)
    monkeypatch.setattr(wave_compute, "openstack_json", rig.nova.openstack_json)
    return rig


def steps(node: Any) -> None:
    for step in (node.inspect, node.drain, node.settle, node.close):
        step()


DISABLED = f"--disable --disable-reason {REASON} (B1)"


def test_different_parameters_are_set_and_the_compute_reboots(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    node = rig.node()
    steps(node)
    assert rig.machine.sets == ["ATS_ENABLED=1"]
    assert rig.machine.boots == 1
    assert rig.machine.acs
    assert rig.nova.did == [DISABLED, "--enable"]
    assert rig.machine.scripts[-1] == "close"
    assert list(node.report()) == [
        "compute-1: firmware 20.32.1010, ATS_ENABLED=1 NUM_OF_VFS=8",
        "compute-1: booted by bios, svm, 34 IOMMU groups, 8 VFs, ACS direct translation on c2:04.0 c2:08.0",
    ]
    assert capsys.readouterr().err.splitlines() == [
        "compute-1: ATS_ENABLED=1 (was 0)", "compute-1: reboots", "compute-1: it has not come back from its reboot",
    ]  # fmt: skip


def test_a_compute_with_the_wanted_settings_is_not_touched(rig: Rig) -> None:
    rig.wanted()
    steps(rig.node())
    assert (rig.machine.sets, rig.machine.boots, rig.nova.did) == ([], 0, [])


def test_a_parameter_that_an_interrupted_run_set_is_not_set_again(rig: Rig) -> None:
    rig.machine.following["ATS_ENABLED"] = "True(1)"
    steps(rig.node())
    assert (rig.machine.sets, rig.machine.boots) == ([], 1)


def test_a_value_that_only_the_next_boot_would_change_is_set_back_without_a_reboot(rig: Rig) -> None:
    """Somebody has run mstconfig; the compute may have instances."""
    rig.wanted()
    rig.machine.following["NUM_OF_VFS"] = "4"
    steps(rig.node())
    assert rig.machine.following["NUM_OF_VFS"] == "8"
    assert rig.machine.boots == 0


def test_acs_alone_needs_no_reboot(rig: Rig) -> None:
    rig.wanted()
    rig.machine.acs = False
    steps(rig.node())
    assert (rig.machine.boots, rig.machine.acs) == (0, True)
    assert rig.nova.did == [DISABLED, "--enable"], "no instance runs while ACS is set"


def test_bridges_without_acs_are_refused_before_anything_is_done(rig: Rig) -> None:
    rig.machine.acs_capable = False
    with pytest.raises(Fault) as fault:
        rig.node().inspect()
    told = "has no ACS with direct translation; enable ACS in the BIOS (H4)"
    assert str(fault.value).splitlines() == [
        f"compute-1: PCIe bridge c2:04.0 {told}", f"  compute-1: PCIe bridge c2:08.0 {told}",
    ]  # fmt: skip
    assert (rig.machine.sets, rig.nova.did) == ([], [])


def test_acs_that_does_not_stick_is_a_fault(rig: Rig) -> None:
    rig.wanted()
    rig.machine.acs = rig.machine.acs_sticks = False
    node = rig.node()
    node.inspect()
    node.drain()
    with pytest.raises(Fault) as fault:
        node.settle()
    told = "does not accept ACS direct translation; enable ACS in the BIOS (H4)"
    assert str(fault.value).splitlines() == [
        f"compute-1: PCIe bridge c2:04.0 {told}", f"  compute-1: PCIe bridge c2:08.0 {told}",
        "  nova places nothing on it before a run succeeds",
    ]  # fmt: skip
    assert rig.nova.did == [DISABLED]


def test_a_value_that_does_not_stick_is_a_fault(rig: Rig) -> None:
    rig.machine.sticks = False
    rig.nova.service.update({"Status": "disabled", "Disabled Reason": "broken fan"})
    node = rig.node()
    node.inspect()
    with pytest.raises(Fault) as fault:
        node.settle()
    assert str(fault.value) == "compute-1: ATS_ENABLED is 0 and not 1 after the reboot; power-cycle the node"


def test_a_node_that_stays_down_times_out(rig: Rig) -> None:
    rig.machine.down_after = 10_000
    node = rig.node()
    node.inspect()
    node.drain()
    with pytest.raises(Fault) as fault:
        node.settle()
    assert str(fault.value) == (
        "compute-1: timed out after 1 minutes: it has not come back from its reboot; see its console\n"
        "  nova places nothing on it before a run succeeds"
    )


def test_a_booting_node_is_waited_for(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    rig.wanted()
    rig.machine.down = 3
    steps(rig.node())
    assert capsys.readouterr().err.splitlines() == ["compute-1: compute-1 cannot be reached by SSH: refused"]


def test_an_unreachable_node_times_out(rig: Rig) -> None:
    rig.machine.down = 10_000
    with pytest.raises(
        Fault, match="timed out after 1 minutes: compute-1 cannot be reached by SSH: refused; see its console"
    ):
        rig.node().inspect()


@pytest.mark.parametrize("device", ["c5:00.0", "0000:c5:00.0"])
def test_facts_are_read_with_the_domain_in_the_pci_address(rig: Rig, device: str) -> None:
    node = rig.node(device=device)
    wave_node.WaveNode._learn(node)
    assert rig.machine.scripts == [FACTS.format(device="0000:c5:00.0")]
    assert node.facts == rig.machine.facts


def test_the_tool_is_called_by_its_name_without_the_folder(rig: Rig) -> None:
    rig.wanted()
    node = rig.node(tool="mlxconfig")
    node.inspect()
    assert "mlxconfig -d c5:00.0 -e query" in rig.machine.scripts


def test_a_hidden_parameter_is_a_fault_once_nothing_else_differs(rig: Rig) -> None:
    rig.wanted()
    with pytest.raises(Fault) as fault:
        rig.node(settings={"ATS_ENABLED": 1, "NUM_OF_VFS": 8, "ATS": 1}).inspect()
    assert str(fault.value) == "compute-1: the adapter has no parameter ATS; see mstconfig -d … query"
    rig.machine.current["ATS_ENABLED"] = "False(0)"
    node = rig.node(settings={"ATS_ENABLED": 1, "NUM_OF_VFS": 8, "ATS": 1})
    node.inspect()
    with pytest.raises(Fault, match="compute-1: the adapter does not show ATS"):
        node.settle()


def test_wrong_bios_and_firmware_are_refused_before_any_change(rig: Rig) -> None:
    rig.machine.facts.update({"boot_mode": "uefi", "virtualization": "none", "release": "20.28.1"})
    with pytest.raises(Fault) as fault:
        rig.node().inspect()
    assert str(fault.value).splitlines() == [
        "compute-1: the adapter's firmware is 20.28.1; bring it to 20.30.1000 or later (mstflint -d c5:00.0 burn)",
        "  compute-1: it has booted by uefi; set the BIOS to bios, or undercloud.bootMode to uefi",
        "  compute-1: no hardware virtualization; enable VT-x or SVM in the BIOS (H4)",
    ]
    assert rig.nova.did == []


def test_hardware_virtualization_needs_kvm_too(rig: Rig) -> None:
    rig.machine.facts["kvm"] = "none"
    with pytest.raises(Fault, match="no hardware virtualization"):
        rig.node().inspect()


def test_missing_vfs_are_reported_after_the_settings_are_applied(rig: Rig) -> None:
    rig.wanted()
    rig.machine.facts.update({"vfs": "4"})
    node = rig.node()
    node.inspect()
    with pytest.raises(Fault) as fault:
        node.settle()
    assert str(fault.value) == "compute-1: the adapter offers 4 VFs of 8; enable SR-IOV in the BIOS (H4)"


def test_a_gpu_on_another_bridge_is_a_remark(rig: Rig) -> None:
    rig.wanted()
    rig.machine.gpu_beside = False
    node = rig.node()
    steps(node)
    remark = "compute-1: remark: no GPU shares a PCIe bridge with the adapter (B3); see lspci -tv"
    assert list(node.report())[1] == remark


# -- nova


@pytest.mark.parametrize("status", ["ACTIVE", "PAUSED", "VERIFY_RESIZE"])
def test_a_compute_with_instances_is_refused(rig: Rig, status: str) -> None:
    rig.nova.servers = [("vm1", status), ("vm2", "SHUTOFF"), ("vm3", "ERROR")]
    node = rig.node()
    node.inspect()
    with pytest.raises(Fault) as fault:
        node.drain()
    assert str(fault.value).splitlines() == [
        f"compute-1: instance vm1 (id-vm1) is {status}",
        "  compute-1: runs instances; delete, stop or move them before its firmware is changed (B1)",
    ]


def test_a_qemu_process_without_an_instance_in_nova_is_refused(rig: Rig) -> None:
    rig.machine.qemu = "4711\n4712\n"
    node = rig.node()
    node.inspect()
    with pytest.raises(
        Fault, match="compute-1: qemu-kvm 4711 runs, for which nova has no instance\n  compute-1: qemu-k"
    ):
        node.drain()


def test_a_drain_times_out_by_its_own_limit(rig: Rig) -> None:
    rig.nova.servers = [("vm1", "ACTIVE")]
    node = rig.node(instances="drain")
    node.inspect()
    with pytest.raises(Fault) as fault:
        node.drain()
    advice = "nova places no new instances on it; run pulumi up again"
    assert str(fault.value) == f"compute-1: timed out after 2 minutes: instance vm1 (id-vm1) is ACTIVE; {advice}"
    rig.nova.servers = [("vm1", "SHELVED_OFFLOADED")]
    node.drain()


@pytest.mark.parametrize(
    ("reason", "did"), [(f"{REASON} (B1)", ["--enable"]), (f"{REASON}", ["--enable"]), ("fan", []), (None, [])]
)
def test_only_services_that_a_wave_disabled_are_enabled(rig: Rig, reason: str | None, did: list[str]) -> None:
    rig.nova.service.update({"Status": "disabled", "Disabled Reason": reason})
    steps(rig.node())
    assert rig.machine.boots == 1
    assert rig.nova.did == did


def test_an_enabled_service_with_an_old_reason_is_not_enabled_again(rig: Rig) -> None:
    rig.wanted()
    rig.nova.service["Disabled Reason"] = REASON  # nova keeps the last reason
    steps(rig.node())
    assert rig.nova.did == []


def test_a_compute_that_nova_does_not_know_is_reported(rig: Rig) -> None:
    rig.nova.known = False
    with pytest.raises(Fault) as fault:
        rig.node().inspect()
    assert str(fault.value) == f"compute-1: nova knows no compute {HOST}; see openstack compute service list"


def test_a_compute_is_unhealthy_until_container_service_and_ssh_work(rig: Rig) -> None:
    node = rig.node()
    rig.machine.unhealthy = 2
    assert node._unhealthy() == ["nova_compute is not healthy"]
    assert node._unhealthy() == []
    rig.nova.service["State"] = "down"
    assert node._unhealthy() == ["nova reports it down"]
    rig.machine.down = 1
    assert node._unhealthy() == ["compute-1 cannot be reached by SSH: refused"]


def test_a_compute_that_stays_unhealthy_stays_disabled(rig: Rig) -> None:
    rig.nova.service["State"] = "down"
    node = rig.node()
    node.inspect()
    node.drain()
    with pytest.raises(
        Fault, match=r"compute-1: timed out after 1 minutes: nova reports it down; see podman ps\n  nova places nothing"
    ):
        node.settle()
    assert rig.nova.did == [DISABLED]


# -- controllers


@pytest.mark.parametrize(("alone", "stop"), [(False, "pcs cluster stop >&2"), (True, "pcs cluster stop --force >&2")])
def test_a_controller_s_cluster_node_is_stopped_before_the_reboot(rig: Rig, alone: bool, stop: str) -> None:
    node = rig.controller(alone=alone)
    rig.machine.unhealthy = 3
    steps(node)
    assert [s for s in rig.machine.scripts if "cluster" in s or s == "systemctl reboot"] == [stop, "systemctl reboot"]
    assert list(node.report()) == ["compute-1: firmware 20.32.1010, ATS_ENABLED=1 NUM_OF_VFS=8"]
    assert rig.nova.did == []


@pytest.mark.parametrize("error", [Fault, Unreachable])
def test_a_controller_that_does_not_answer_is_unhealthy(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def run(script: str) -> str:
        raise error("pcs: cluster is not running")

    monkeypatch.setattr(rig.machine, "run", run)
    assert rig.controller()._unhealthy() == ["pcs: cluster is not running"]


# -- the program


def start(monkeypatch: pytest.MonkeyPatch, rig: Rig, **changes: Any) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(encode(rig.order._replace(**changes))))
    monkeypatch.setattr(wave_run, "lock", lambda: None)  # held until the process ends
    return wave.main()


def test_a_wave_prints_settings_and_facts_of_its_nodes(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rig.wanted()
    assert start(monkeypatch, rig) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.partition(",")[0] for line in out] == ["compute-1: firmware 20.32.1010", "compute-1: booted by bios"]
    assert start(monkeypatch, rig, check_list=True) == 0
    assert capsys.readouterr().out.splitlines()[2:] == wave.CHECK_LIST["compute"].splitlines()


def test_a_refused_wave_prints_the_fault_and_deletes_its_folder(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    seen: list[str] = []

    def run(order: WaveOrder, own: str) -> None:
        seen.extend(Path(own, "known_hosts").read_text().splitlines())
        raise Fault("refused")

    monkeypatch.setattr(wave_run.tempfile, "mkdtemp", lambda: str(folder))  # type: ignore[attr-defined]
    monkeypatch.setattr(wave, "run", run)
    assert start(monkeypatch, rig) == 1
    assert seen == rig.order.host_keys
    assert capsys.readouterr().err == "refused\n"
    assert not folder.exists()


@pytest.mark.parametrize(("instances", "did"), [("refuse", [DISABLED, "--enable"]), ("drain", [DISABLED])])
def test_a_refused_compute_is_enabled_again_unless_the_wave_drains(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, instances: str, did: list[str]
) -> None:
    rig.nova.servers = [("vm1", "ACTIVE")]
    assert start(monkeypatch, rig, instances=instances) == 1
    assert rig.nova.did == did
    assert rig.machine.scripts[-1] == "close"
