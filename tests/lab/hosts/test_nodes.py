"""Computes and controllers: firmware, PCIe, reboots, containers."""

import json
from collections.abc import Iterator

import pytest

from lab.hosts.backends.interfaces import ComputeService, Guest
from lab.hosts.commands import tripleo_containers
from lab.process import until
from providers.ufm.errors import RESET_JOURNAL
from tests.lab.hosts.conftest import MARKS, Lab

pytestmark = MARKS

HCA = "c5:00.0"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("lab"))
    lab.provision()
    yield lab
    lab.stop()


def reboot(lab: Lab, host: str) -> None:
    """Reboot, and wait until the host answers with another boot ID, as the program does."""
    boot_id = "cat /proc/sys/kernel/random/boot_id"
    before = lab.ok(host, boot_id)
    lab.run(host, "reboot")

    def back() -> bool:
        done = lab.run(host, boot_id)
        return done.returncode == 0 and done.stdout != before

    assert until(back, 30), "the host does not come back"


def query(lab: Lab, *names: str) -> dict[str, str]:
    out = lab.ok("compute-1", f"mstconfig -d {HCA} query {' '.join(names)}")
    return dict(line.split()[:2] for line in out.splitlines() if line.startswith("         "))


# -- firmware


def test_mstconfig_needs_its_package(lab: Lab) -> None:
    assert lab.run("compute-1", f"mstconfig -d {HCA} query").returncode == 127
    assert lab.run("compute-1", "command -v mstconfig").returncode == 1
    lab.ok("compute-1", "dnf install -y mstflint && command -v mstconfig")
    assert "Unable to find a match" in lab.refused("compute-1", "dnf install -y mstflnt")


def test_a_new_adapter_has_the_factory_s_settings(lab: Lab) -> None:
    lab.keeper.control({"op": "replace_adapter", "node": "compute-1"})
    assert query(lab) == {
        "LINK_TYPE_P1": "IB(1)",
        "SRIOV_EN": "False(0)",
        "NUM_OF_VFS": "0",
        "ATS_ENABLED": "False(0)",
        "ADVANCED_PCI_SETTINGS": "False(0)",
    }
    lab.set_vfs(lab.plan.site.compute.vfs)
    assert "FW Version:            20.32" in lab.ok("compute-1", f"mstflint -d {HCA} query")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("set NONSENSE=1", "doesn't support NONSENSE"),
        ("set MAX_ACC_OUT_READ=44", "doesn't support MAX_ACC_OUT_READ"),
        ("set NUM_OF_VFS=500", "from 0 to 127"),
        ("set ATS_ENABLED=maybe", "illegal value"),
        ("set", "No configurations"),
        ("query NONSENSE", "doesn't support NONSENSE"),
        ("qery", "invalid choice"),
    ],
)
def test_mstconfig_refuses_invalid_arguments(lab: Lab, arguments: str, says: str) -> None:
    assert says in lab.refused("compute-1", f"mstconfig -y -d {HCA} {arguments}")


def test_a_node_is_not_shut_down_for_good(lab: Lab) -> None:
    assert "the lab has only `shutdown -r now`" in lab.refused("compute-1", "shutdown -h now")
    assert "invalid option" in lab.refused("compute-1", "reboot --halt")


def test_mstconfig_asks_before_it_sets_a_value(lab: Lab) -> None:
    assert "Aborted" in lab.refused("compute-1", f"mstconfig -d {HCA} set ATS_ENABLED=1", "n\n")
    assert "Failed to open" in lab.refused("compute-1", "mstconfig -d 01:00.0 query")
    assert query(lab, "ATS_ENABLED") == {"ATS_ENABLED": "False(0)"}


def test_max_acc_out_read_needs_two_reboots(lab: Lab) -> None:
    lab.ok("compute-1", f"mstconfig -y -d {HCA} set ATS_ENABLED=true ADVANCED_PCI_SETTINGS=1")
    out = lab.ok("compute-1", f"mstconfig -d {HCA} -e query ATS_ENABLED")
    assert ["*", "ATS_ENABLED", "False(0)", "False(0)", "True(1)"] in [line.split() for line in out.splitlines()]
    assert "doesn't support" in lab.refused("compute-1", f"mstconfig -y -d {HCA} set MAX_ACC_OUT_READ=44")
    reboot(lab, "compute-1")
    lab.ok("compute-1", f"mstconfig -y -d {HCA} set MAX_ACC_OUT_READ=44")
    reboot(lab, "compute-1")
    wanted = {"MAX_ACC_OUT_READ": "44", "ATS_ENABLED": "True(1)"}
    assert query(lab, "MAX_ACC_OUT_READ", "ATS_ENABLED") == wanted


def test_a_reboot_relinks_the_port_and_restarts_nova_compute(lab: Lab) -> None:
    lab.fabric.events.clear()
    lab.cloud.compute_restarts.clear()
    lab.ok("compute-1", "sleep 1000 >/dev/null 2>&1 & echo kept > /root/mark; touch /run/mark")
    reboot(lab, "compute-1")
    assert lab.fabric.events == ["unlink compute-1", "link compute-1"]
    [(host, hardware)] = lab.cloud.compute_restarts
    assert host == lab.plan.host("compute-1").hostname
    assert hardware.vfs == lab.plan.site.compute.vfs
    assert lab.run("compute-1", "test -e /run/mark").returncode == 1
    assert lab.ok("compute-1", "cat /root/mark; pgrep -x sleep | wc -l") == "kept\n1\n", (
        "only the host's first process sleeps"
    )


@pytest.mark.parametrize(("offered", "created"), [(16, 8), (4, 0), (8, 8)])
def test_a_boot_creates_the_vfs_that_os_net_config_has_stored(lab: Lab, offered: int, created: int) -> None:
    lab.ok("compute-1", f"mstconfig -y -d {HCA} set NUM_OF_VFS={offered}")
    lab.cloud.compute_restarts.clear()
    reboot(lab, "compute-1")
    [(_, hardware)] = lab.cloud.compute_restarts
    assert hardware.vfs == created
    assert lab.ok("compute-1", "cat /sys/bus/pci/devices/0000:c5:00.0/sriov_totalvfs") == f"{offered}\n"


# -- PCIe


def test_lspci_lists_adapter_vfs_and_gpus(lab: Lab) -> None:
    out = lab.ok("compute-1", "lspci | grep -i nox")
    assert out.startswith("c5:00.0 Infiniband controller: Mellanox Technologies MT28908 Family [ConnectX-6]\n")
    assert out.count("Virtual Function") == lab.plan.site.compute.vfs
    assert lab.ok("compute-1", "lspci -n -d 10de:20f1 | wc -l") == "8\n"
    assert "NUMA node: 1" in lab.ok("compute-1", f"lspci -s {HCA} -vvv")
    assert "ConnectX-6" in lab.ok("compute-1", "lspci -tv")
    assert "-[cc]" in lab.ok("compute-1", "lspci -tv")
    assert "Invalid slot" in lab.refused("compute-1", "lspci -s nonsense")


def test_lspci_shows_the_path_to_the_adapter(lab: Lab) -> None:
    assert lab.ok("compute-1", f"lspci -PP -s {HCA}").startswith("c0:01.0/c1:00.0/c2:04.0/c5:00.0 Infiniband")


def test_qemu_runs_on_the_host_of_an_active_guest(lab: Lab) -> None:
    assert lab.run("compute-1", "pgrep -x qemu-kvm").returncode == 1
    host = lab.plan.host("compute-1").hostname
    lab.cloud.vms = [Guest(id="vm", name="vm", status="ACTIVE", host=host, addresses={}, floating={})]
    assert lab.ok("compute-1", "pgrep -x qemu-kvm") == "4000\n"
    assert lab.run("compute-2", "pgrep -x qemu-kvm").returncode == 1
    lab.cloud.vms = []


def test_the_guide_s_loop_sets_acs_until_a_reboot(lab: Lab) -> None:
    grep = "lspci -s c2:04.0 -vvv | grep ACSCtl"
    assert "DirectTrans-" in lab.ok("compute-1", grep)
    loop = "for BDF in `lspci -d \"*:*:*\" | awk '{print $1}'`; do setpci -v -s ${BDF} ECAP_ACS+0x6.w=0x5D ; done"
    assert "= 005d" in lab.run("compute-1", loop).stdout
    assert (
        lab.ok("compute-1", grep).split(":", 1)[1].strip()
        == "SrcValid+ TransBlk- ReqRedir+ CmpltRedir+ UpstreamFwd+ EgressCtrl- DirectTrans+"
    )
    reboot(lab, "compute-1")
    assert "DirectTrans-" in lab.ok("compute-1", grep), "a reboot resets ACS (B2)"


def test_setpci_refuses_other_devices_and_registers(lab: Lab) -> None:
    assert "not found" in lab.refused("compute-1", f"setpci -s {HCA} ECAP_ACS+0x6.w=0x5D")
    assert "Unable to parse" in lab.refused("compute-1", "setpci -s c2:04.0 NONSENSE")
    assert lab.ok("compute-1", "setpci -s c2:04.0 ECAP_ACS+6.w") == "001d\n"
    assert "Unable to parse" in lab.refused("compute-1", "setpci -s c2:04.0 ECAP_ACS+8.w")


def test_setpci_sets_max_read_request_until_a_reboot(lab: Lab) -> None:
    show, register = f"lspci -s {HCA} -vvv | grep -o 'MaxReadReq [0-9]*'", f"setpci -s {HCA} CAP_EXP+0x8.w"
    assert lab.ok("compute-1", f"{show}; {register}") == "MaxReadReq 512\n2936\n"
    assert lab.ok("compute-1", f"{register}=0x5000:0x7000; {show}") == "MaxReadReq 4096\n"
    assert lab.ok("compute-1", f"{register}=0:ff; {show}") == "MaxReadReq 4096\n"
    lab.rack.nodes["compute-1"].reboot()
    assert lab.ok("compute-1", show) == "MaxReadReq 512\n"


# -- power


def test_power_off_ends_ssh_and_unlinks_the_port(lab: Lab) -> None:
    lab.rack.nodes["compute-2"].power_off()
    assert lab.run("compute-2", "true").returncode == 255
    assert "compute-2" not in lab.fabric.linked
    lab.rack.nodes["compute-2"].power_on()
    assert "Active" in lab.ok("compute-2", "ibstat")


def test_an_injected_link_failure_lasts_as_many_power_ons_as_requested(lab: Lab) -> None:
    node = lab.rack.nodes["compute-2"]
    lab.keeper.control({"op": "fail_links", "node": "compute-2", "times": 2})
    for linked in (False, False, True):
        node.power_off()
        node.power_on()
        assert ("compute-2" in lab.fabric.linked) == linked
    lab.keeper.control({"op": "fail_links", "node": "compute-2", "times": 9})
    lab.keeper.control({"op": "fail_links", "node": "compute-2", "times": 0})
    node.power_off()
    node.power_on()
    assert "compute-2" in lab.fabric.linked


# -- controllers


def test_sql_runs_in_the_database_of_the_controllers(lab: Lab) -> None:
    galera = "podman exec $(podman ps -q -f name=galera-bundle)"
    assert lab.ok("controller-1", f'{galera} mysql neutron -e "SELECT 1"') == "1\tpending\n"
    lab.ok("controller-2", RESET_JOURNAL)
    statements = lab.cloud.statements
    assert statements[-1].startswith("UPDATE sdn_journal SET state='pending' WHERE state='processing'")
    assert "Unknown database" in lab.refused("controller-1", f'{galera} mysql nowhere -e "SELECT 1"')
    assert "not found in $PATH" in lab.refused("controller-1", f"{galera} psql")
    assert "no such container" in lab.refused("controller-1", "podman exec galera mysql -e 'SELECT 1'")


def test_podman_ps_lists_containers_and_inspect_refuses_unknown_ones(lab: Lab) -> None:
    assert "no such container" in lab.refused("controller-1", "podman inspect neutron_apy")
    assert "neutron_api" in lab.ok("controller-1", "podman ps --format '{{.Names}}'")
    assert lab.ok("controller-1", "podman ps -q --filter name=nothing") in (
        "",
        f"{'CONTAINER ID':<14}{'STATUS':<20}NAMES\n",
    )


def deployed(lab: Lab) -> None:
    """Let a deployment start the containers of compute-1 and controller-1."""
    prepare = [{"set": {"namespace": "quay.io/own", "name_prefix": "openstack-", "tag": "7"}}]
    for name in ("compute-1", "controller-1"):
        tripleo_containers.start_all(lab.rack.nodes[name], {"ContainerImagePrepare": prepare})


def test_a_deployment_leaves_startup_configuration_units_and_images(lab: Lab) -> None:
    deployed(lab)
    shown = lab.ok("controller-1", "podman ps -a --format '{{.Names}} {{.Image}}'").splitlines()
    assert "neutron_api undercloud.ctlplane:8787/own/openstack-neutron-server:7" in shown
    assert "galera-bundle-podman-0 cluster.common.tag/galera:pcmklatest" in shown
    folder = "/var/lib/tripleo-config/container-startup-config/step_4"
    config = json.loads(lab.ok("controller-1", f"cat {folder}/neutron_api.json"))
    assert (config["image"], config["restart"]) == ("undercloud.ctlplane:8787/own/openstack-neutron-server:7", "always")
    assert lab.ok("controller-1", f"stat -c %a {folder}/neutron_api.json") == "600\n"
    assert "galera" not in lab.ok("controller-1", f"ls {folder} /etc/systemd/system"), "pacemaker starts its bundles"


def test_a_container_is_stopped_and_started_by_its_unit(lab: Lab) -> None:
    deployed(lab)
    lab.ok("compute-1", "systemctl stop tripleo_nova_libvirt")
    assert "nova_libvirt" not in lab.ok("compute-1", "podman ps --format '{{.Names}}'")
    assert "nova_libvirt Exited (0)" in lab.ok("compute-1", "podman ps -a --format '{{.Names}} {{.Status}}'")
    lab.ok("compute-1", "systemctl start tripleo_nova_libvirt")
    assert "nova_libvirt" in lab.ok("compute-1", "podman ps --format '{{.Names}}'")


def test_nova_compute_s_unit_stops_nova_s_service(lab: Lab) -> None:
    deployed(lab)
    host = lab.plan.host("compute-1").hostname
    lab.cloud.services[host] = ComputeService(id=1, host=host, up=True, disabled=False, reason="", updated="")
    lab.ok("compute-1", "systemctl stop tripleo_nova_compute")
    assert not lab.cloud.services[host].up
    assert "nova_compute Exited" in lab.ok("compute-1", "podman ps -a --format '{{.Names}} {{.Status}}'")
    lab.ok("compute-1", "systemctl restart tripleo_nova_compute")
    assert "nova_compute" in lab.ok("compute-1", "podman ps --filter health=healthy --format '{{.Names}}'")
    assert lab.cloud.compute_restarts[-1][0] == host
