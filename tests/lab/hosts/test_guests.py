"""Guests: access through neutron's namespaces, driver and GPU, and the bandwidth test."""

import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest

from components import bandwidth
from lab.hosts.backends.interfaces import Guest
from lab.hosts.commands import infiniband
from lab.hosts.keys import keygen
from lab.hosts.kinds.guest import LOGIN
from rack.bandwidth import Result
from tests.lab.hosts.conftest import MARKS, Lab

pytestmark = MARKS

NETWORK, ROUTER = "2162790f-e358-4e09-8f59-25e3021396df", "router-1"
ONE, TWO = "11.11.11.235", "11.11.11.186"
FLOATING = "10.0.0.151"
DHCP = f"ip netns exec qdhcp-{NETWORK}"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("lab"))
    lab.provision()
    key = lab.folder / "tenant_key"
    keygen(key, "guest")
    lab.ok("controller-1", "install -D -m 0600 /dev/stdin /root/key", key.read_text())
    public = key.with_name("tenant_key.pub").read_text().strip()
    image = lab.plan.site.images[1]
    with lab.rack.undercloud.change():
        lab.rack.undercloud.state.built = {image.name: list(image.elements)}
    one = Guest(
        id="vm-1", name="vm1_gpu", status="ACTIVE", host=lab.plan.computes[0].hostname, addresses={NETWORK: [ONE]},
        floating={FLOATING: ROUTER}, keys=[public], image=image.name, gpus=1, direct=True,
    )  # fmt: skip
    two = replace(
        one, id="vm-2", name="vm2_gpu", host=lab.plan.computes[1].hostname, addresses={NETWORK: [TWO]}, floating={}
    )
    lab.cloud.vms = [one, two]
    lab.cloud.dhcp, lab.cloud.routers_ = [NETWORK], [ROUTER]
    yield lab
    lab.stop()


def ssh(command: str, address: str = ONE, user: str = "stack", check: str = "accept-new") -> str:
    """Return the controller's command line that runs `command` in a guest. The command must need no quotes."""
    return f"{DHCP} ssh -i /root/key -o BatchMode=yes -o StrictHostKeyChecking={check} {user}@{address} {command}"


def in_guest(lab: Lab, command: str, address: str = ONE) -> str:
    return lab.ok("controller-1", ssh(command, address))


def refused(lab: Lab, command: str, address: str = ONE) -> str:
    return lab.refused("controller-1", ssh(command, address))


# -- namespaces


def test_ip_netns_lists_the_namespaces_of_networks_and_routers(lab: Lab) -> None:
    assert f"qdhcp-{NETWORK} (id: 0)" in lab.ok("controller-1", "ip netns")
    assert "Cannot open network namespace" in lab.refused("controller-1", f"ip netns exec qdhcp-none ping -c 1 {ONE}")
    assert "lo" in lab.ok("controller-1", "ip -br link"), "every other ip command is the real one"


def test_ping_reaches_active_guests_in_their_namespace(lab: Lab) -> None:
    assert "2 packets transmitted, 2 received, 0% packet loss" in lab.ok("controller-1", f"{DHCP} ping -c 2 {ONE}")
    assert "100% packet loss" in lab.refused("controller-1", f"{DHCP} ping -c 2 11.11.11.9")
    router = f"ip netns exec qrouter-{ROUTER}"
    assert "0% packet loss" in lab.ok("controller-1", f"{router} ping -c 1 {FLOATING}")
    assert "100% packet loss" in lab.refused("controller-1", f"{router} ping -c 1 10.0.0.152")
    assert "100% packet loss" in lab.refused("controller-1", f"{DHCP} ping -c 1 {FLOATING}")


def test_ping_does_not_reach_a_stopped_guest(lab: Lab) -> None:
    two = lab.cloud.vms[1]
    lab.cloud.vms[1] = replace(two, status="SHUTOFF")
    assert "100% packet loss" in lab.refused("controller-1", f"{DHCP} ping -c 1 {TWO}")
    lab.cloud.vms[1] = two


# -- ssh


def test_ssh_runs_a_command_in_a_guest(lab: Lab) -> None:
    assert in_guest(lab, "'id -un; pwd; hostname; hostname -I'") == f"stack\n/home/stack\nhost-11-11-11-235\n{ONE}\n"
    assert in_guest(lab, "sudo id -un") == "root\n"
    assert lab.run("controller-1", ssh("exit 7")).returncode == 7
    assert in_guest(lab, "cloud-init status") == "status: done\n"
    assert lab.ok("controller-1", f"echo hello | {ssh('cat')}") == "hello\n"


@pytest.mark.parametrize("command", ["reboot", "shutdown -r now"])
def test_a_guest_is_rebooted_through_the_cloud_only(lab: Lab, command: str) -> None:
    assert "reboot the instance through the cloud" in refused(lab, f"sudo {command}")


def test_a_guest_accepts_only_the_key_of_nova_s_metadata(lab: Lab) -> None:
    without = ssh("true").replace("-i /root/key ", "")
    assert "Permission denied" in lab.run("controller-1", without).stderr
    lab.cloud.vms.append(
        replace(lab.cloud.vms[0], id="vm-3", addresses={NETWORK: ["11.11.11.3"]}, floating={}, keys=[])
    )
    assert "Permission denied" in lab.run("controller-1", ssh("true", "11.11.11.3")).stderr
    lab.cloud.vms.pop()


def test_the_image_of_the_guide_offers_a_login_by_password(lab: Lab) -> None:
    """The element cloud-init-config sets one: T7 asks for it. A step that would answer a prompt waits forever."""
    lab.ok("controller-1", "install -m 0700 /dev/stdin /root/ask", f"#!/bin/sh\necho {LOGIN}\n")
    by_password = ssh("id -un").replace(
        "-i /root/key -o BatchMode=yes ",
        "-o PubkeyAuthentication=no -o PreferredAuthentications=password -o NumberOfPasswordPrompts=1 ",
    )
    asked = f"SSH_ASKPASS=/root/ask SSH_ASKPASS_REQUIRE=force {by_password}"
    assert lab.ok("controller-1", asked) == "stack\n"
    lab.ok("controller-1", "install -m 0700 /dev/stdin /root/ask", "#!/bin/sh\necho wrong\n")
    assert "Permission denied (publickey,password)" in lab.run("controller-1", asked).stderr


def test_the_login_user_depends_on_the_image(lab: Lab) -> None:
    """The element cloud-init-config creates the user stack; CentOS's image has the user centos."""
    plain = [e for e in lab.plan.site.images[1].elements if e != "cloud-init-config"]
    with lab.rack.undercloud.change():
        lab.rack.undercloud.state.built["plain"] = plain
    lab.cloud.vms.append(
        replace(lab.cloud.vms[0], id="vm-4", addresses={NETWORK: ["11.11.11.4"]}, floating={}, image="plain")
    )
    assert "Permission denied (publickey)" in lab.run("controller-1", ssh("true", "11.11.11.4")).stderr
    assert lab.ok("controller-1", ssh("id -un", "11.11.11.4", user="centos")) == "centos\n"
    lab.cloud.vms.pop()


def test_ssh_reaches_a_guest_by_its_floating_address(lab: Lab) -> None:
    command = ssh("hostname", FLOATING).replace(DHCP, f"ip netns exec qrouter-{ROUTER}")
    assert lab.ok("controller-1", command) == "host-11-11-11-235\n"


def test_ssh_is_refused_to_the_wrong_user_address_or_key(lab: Lab) -> None:
    for command, says in (
        (ssh("true", user="root"), "Permission denied"),
        (ssh("true", "11.11.11.9"), "No route to host"),
        (
            ssh("true").replace("-i /root/key", "-F none -o IdentitiesOnly=yes -o IdentityFile=/none"),
            "Permission denied",
        ),
    ):
        done = lab.run("controller-1", command)
        assert done.returncode == 255
        assert says in done.stderr


def test_a_guest_s_host_key_is_verified(lab: Lab) -> None:
    in_guest(lab, "true")
    other = lab.ok("controller-1", "cat /root/.ssh/known_hosts")
    lab.ok("controller-1", r"sed -i 's/\(NTE5AAAAI\)A/\1B/; t; s/\(NTE5AAAAI\)./\1A/' /root/.ssh/known_hosts")
    changed = lab.ok("controller-1", "cat /root/.ssh/known_hosts")
    assert changed != other
    assert "Host key verification failed" in lab.run("controller-1", ssh("true", check="yes")).stderr
    lab.ok("controller-1", "rm /root/.ssh/known_hosts")


def test_a_guest_reaches_other_guests_and_the_internet(lab: Lab) -> None:
    assert "0% packet loss" in in_guest(lab, f"ping -c 4 {TWO}")
    assert "100% packet loss" in refused(lab, "ping -c 1 11.11.11.9")
    assert "0% packet loss" in in_guest(lab, "ping -c 1 8.8.8.8"), (
        "the floating address gives access to the Internet (X4)"
    )
    assert "100% packet loss" in refused(lab, "ping -c 1 8.8.8.8", TWO)


# -- driver and GPU


def test_modprobe_loads_and_removes_peermem(lab: Lab) -> None:
    assert "peermem" not in in_guest(lab, "lsmod")
    assert "root" in refused(lab, "modprobe nvidia-peermem")
    assert "not found in directory" in refused(lab, "sudo modprobe nonsense")
    for address in (ONE, TWO):
        in_guest(lab, "sudo modprobe nvidia-peermem", address)
    assert "nvidia_peermem         16384  0" in in_guest(lab, "'lsmod | grep -i peermem'")
    in_guest(lab, "sudo modprobe -r nvidia-peermem")
    assert in_guest(lab, "ofed_info -s").startswith("MLNX_OFED_LINUX-5.6")


def test_nvidia_smi_shows_and_changes_settings(lab: Lab) -> None:
    query = "nvidia-smi --query-gpu=mig.mode.current --format=csv,noheader"
    assert in_guest(lab, query) == "Disabled\n"
    assert "GPU 0: NVIDIA A100" in in_guest(lab, "nvidia-smi -L")
    assert "1410 MHz" in in_guest(lab, "nvidia-smi -i 0 -q -d clock")
    assert "Enabled persistence mode" in in_guest(lab, "sudo nvidia-smi -i 0 -pm 1")
    assert "gpuClkMax 1410" in in_guest(lab, "sudo nvidia-smi -i 0 -lgc 1410")
    assert "maximum is 1410" in refused(lab, "sudo nvidia-smi -i 0 -lgc 1500")
    assert "Insufficient Permissions" in refused(lab, "nvidia-smi -i 0 -mig 1")
    assert "not a valid field" in refused(lab, "nvidia-smi --query-gpu=nonsense --format=csv")
    in_guest(lab, "sudo nvidia-smi -i 0 -mig 1")
    assert in_guest(lab, query) == "Enabled\n"
    in_guest(lab, "sudo nvidia-smi -i 0 -mig 0")


def test_commands_of_elements_that_the_image_lacks_are_not_found(lab: Lab) -> None:
    plain = replace(lab.cloud.vms[0], id="vm-3", addresses={NETWORK: ["11.11.11.33"]}, image="centos8-stream")
    lab.cloud.vms.append(plain)
    for command in ("nvidia-smi -L", "ib_write_bw", "ofed_info -s"):
        assert lab.run("controller-1", ssh(command, "11.11.11.33")).returncode == 127
    assert "not found" in refused(lab, "sudo modprobe nvidia-peermem", "11.11.11.33")
    lab.cloud.vms.remove(plain)
    folder = lab.folder / "guests" / "vm-3"
    lab.ok("controller-1", f"{DHCP} ping -c 1 {ONE}")
    assert not folder.exists() or not list(folder.glob("*.pid")), "no process of a deleted guest runs"


def test_a_guest_without_gpu_and_vf_has_no_devices(lab: Lab) -> None:
    one = lab.cloud.vms[0]
    lab.cloud.vms[0] = replace(one, gpus=0, direct=False)
    assert "No devices were found" in refused(lab, "nvidia-smi -L")
    assert "Unable to find the Infiniband" in refused(lab, "ib_write_bw")
    lab.cloud.vms[0] = one


# -- bandwidth


class Bench:
    """The server on one guest and the client on the other."""

    def __init__(self, lab: Lab, server: str, client: str) -> None:
        with subprocess.Popen(lab.argv("controller-1", ssh(server)), stdout=subprocess.PIPE, text=True) as waiting:
            assert waiting.stdout is not None
            for line in waiting.stdout:
                if "Waiting for client" in line:
                    break
            self.client = lab.run("controller-1", ssh(client, TWO))
            if self.client.returncode:  # the server keeps waiting after its SSH connection ends
                lab.run("controller-1", ssh("pkill -f [i]b_write_bw"))
            self.server = waiting.stdout.read()


def average(lab: Lab, flags: str = "--use_cuda=0") -> float:
    command = f"ib_write_bw --report_gbits -F {flags}"
    bench = Bench(lab, command, f"{command} -s 32768 {ONE}")
    assert bench.client.returncode == 0, bench.client.stderr
    [line] = [x for x in bench.client.stdout.splitlines() if x.split()[:1] == ["32768"]]
    assert line.split()[3] in bench.server
    return float(line.split()[3])


def tune(lab: Lab, **firmware: int) -> None:
    for host in lab.plan.computes:
        node = lab.rack.nodes[host.name]
        with node.change():
            node.state.firmware = firmware


def acs(lab: Lab, value: str) -> None:
    for host in lab.plan.computes:
        lab.ok(host.name, f"for b in c1:00.0 c2:04.0 c2:08.0; do setpci -s $b ECAP_ACS+0x6.w={value}; done")


TUNED = {"ATS_ENABLED": 1, "ADVANCED_PCI_SETTINGS": 1, "MAX_ACC_OUT_READ": 44}


def test_a_client_needs_a_server(lab: Lab) -> None:
    in_guest(lab, "sudo modprobe nvidia-peermem")
    assert "Couldn't connect" in refused(lab, f"ib_write_bw {ONE}", TWO)
    assert "unrecognized" in refused(lab, "ib_write_bw --use_cudaa=0")


def test_a_tuned_compute_has_the_guide_s_bandwidth(lab: Lab) -> None:
    tune(lab, **TUNED)
    acs(lab, "0x5D")
    assert average(lab) == 194.23
    assert average(lab, "") == 194.23


def test_each_missing_setting_reduces_the_bandwidth(lab: Lab) -> None:
    acs(lab, "0x1D")
    assert average(lab) < 50
    assert average(lab, "") == 194.23, "without CUDA, no data are transferred between GPU and adapter"
    acs(lab, "0x5D")
    tune(lab, **{**TUNED, "ATS_ENABLED": 0})
    assert average(lab) < 50
    tune(lab, **{**TUNED, "MAX_ACC_OUT_READ": 0})
    assert 150 < average(lab) < 190
    tune(lab, **TUNED)


def test_cuda_needs_peermem_and_no_mig(lab: Lab) -> None:
    in_guest(lab, "sudo modprobe -r nvidia-peermem", TWO)
    server = "ib_write_bw --report_gbits -F --use_cuda=0"
    bench = Bench(lab, server, f"{server} {ONE}")
    assert bench.client.returncode == 1
    assert "Couldn't allocate MR" in bench.client.stderr
    in_guest(lab, "sudo modprobe nvidia-peermem", TWO)
    in_guest(lab, "sudo nvidia-smi -i 0 -mig 1", TWO)
    bench = Bench(lab, server, f"{server} {ONE}")
    assert bench.client.returncode == 1
    assert "MIG" in bench.client.stderr
    in_guest(lab, "sudo nvidia-smi -i 0 -mig 0", TWO)


def test_a_killed_server_stops_waiting(lab: Lab) -> None:
    in_guest(lab, "'timeout 1 ib_write_bw; sleep 0.5'")
    assert "Couldn't connect" in refused(lab, f"ib_write_bw {ONE}", TWO)


# -- the program's test


def measured(lab: Lab, given: str, user: str = "stack", **other: str) -> subprocess.CompletedProcess[str]:
    """Run the program's script on a controller with a private key on standard input."""
    assert lab.plan.site.bandwidth
    one, two = (bandwidth.Guest(vm.name, address, vm.id) for vm, address in zip(lab.cloud.vms, (ONE, TWO), strict=True))
    one = replace(one, **other)
    script = bandwidth.measure(lab.plan.site.bandwidth, user, "0123", NETWORK, one, two)
    return lab.run("controller-1", f"sh -c {shlex.quote(script)}", given)


def test_the_program_measures_with_nova_s_key_and_deletes_it_afterwards(lab: Lab) -> None:
    key = (lab.folder / "tenant_key").read_text()
    for _ in range(2):
        done = measured(lab, key)
        assert done.returncode == 0, done.stderr
        assert Result.parse(done.stdout).verdict(1).startswith("pass")
    assert "rack-guests" not in lab.ok("controller-1", "ls /run")
    known = lab.ok("controller-1", "cut -d ' ' -f 1 /root/.ssh/known_hosts")
    assert {"vm-1", "vm-2"} <= {*known.split()}, "by instance: another instance may get the address"


def test_the_program_names_the_instance_that_refuses_the_key(lab: Lab) -> None:
    keygen(lab.folder / "other", "other")
    done = measured(lab, (lab.folder / "other").read_text())
    assert done.returncode == 1
    assert f"vm1_gpu: cannot log in as stack@{ONE}: stack@" in done.stderr
    assert "Permission denied" in done.stderr
    assert done.stderr.strip().endswith("created has no key pair: tenant.replaceInstances replaces it")


def test_the_program_refuses_an_mlnx_ofed_without_peer_memory(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guide's release is 5.6 (G2)."""
    key = (lab.folder / "tenant_key").read_text()
    monkeypatch.setattr(infiniband, "OFED", "MLNX_OFED_LINUX-5.5-1.0.3.2:")
    assert "MLNX_OFED_LINUX-5.5-1.0.3.2: in the image; GPUDirect RDMA needs MLNX_OFED 5.6" in measured(lab, key).stderr
    monkeypatch.setattr(infiniband, "OFED", "MLNX_OFED_LINUX-23.10-0.5.5.0:")
    assert measured(lab, key).returncode == 0


@pytest.mark.parametrize("default_user", ["stack", "centos"])
def test_each_variant_of_nvidias_element_is_a_matter_of_configuration(lab: Lab, default_user: str) -> None:
    """The default user of cloud-init-config is not public: tenant.user names it, and the error says so.

    The last test: it replaces the instances, whose host keys are pinned.
    """
    before = [*lab.cloud.vms]
    lab.cloud.vms = [replace(vm, id=f"{vm.id}-{default_user}") for vm in before]
    with lab.rack.undercloud.change():
        lab.rack.undercloud.state.cloud_init_user = default_user
    key, other = (lab.folder / "tenant_key").read_text(), "centos" if default_user == "stack" else "stack"
    done = measured(lab, key, other)
    assert done.returncode == 1
    assert "write the user of the image as tenant.user" in done.stderr
    assert measured(lab, key, default_user).returncode == 0
    with lab.rack.undercloud.change():
        lab.rack.undercloud.state.cloud_init_user = "stack"
    lab.cloud.vms = before
