"""The undercloud's steps in the guide's order: C1 to C7, I1, O5, G1, G2; then the removal."""

import json
import shlex
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from access.ssh import as_stack
from components import guest_images
from lab.hosts import elements, templates
from lab.hosts.kinds.node import NODE_USER
from lab.hosts.state import FACTORY_BMC, HardwareFaults
from lab.process import LabError
from rack import tripleo
from rack.plan import DEPLOY_FOLDER, HEAT_TEMPLATES
from rack.site import Image
from rack.tripleo.deployment import UFM_CA_FILE
from rack.wallaby.branch import SDN
from tests.lab.hosts.conftest import MARKS, Lab

pytestmark = MARKS

UFM_CA = "the certificate of UFM's authority\n"
DIB = 'export DIB_RELEASE=8-stream STABLE_RELEASE=wallaby DIB_YUM_REPO_CONF="/etc/yum.repos.d/*"; '


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One rack for this module; TripleO's templates come from the lab's installation."""
    templates.fetch(print)
    elements.fetch(print)
    lab = Lab(tmp_path_factory.mktemp("lab"))
    yield lab
    lab.stop()


def stack(command: str) -> str:
    return f"su - stack -c {shlex.quote(command)}"


def admin(command: str) -> str:
    """Return the command as user stack with the undercloud's credentials."""
    return stack(f". ~/stackrc; {command}")


def place(lab: Lab, path: str, text: str) -> None:
    lab.ok("undercloud", f"install -D -o stack -g stack -m 0600 /dev/stdin {path}", text)


def states(lab: Lab) -> dict[str, tuple[str, str]]:
    """Return the provisioning and power state of each node."""
    rows = json.loads(lab.ok("undercloud", admin("openstack baremetal node list -f json")))
    return {r["Name"]: (r["Provisioning State"], r["Power State"]) for r in rows}


# -- C1


def test_c1_the_host_is_a_fresh_centos_with_the_guide_s_disk(lab: Lab) -> None:
    assert lab.ok("undercloud", ". /etc/os-release; echo $ID-$VERSION_ID") == "centos-8\n"
    size = lab.ok("undercloud", "df -BG --output=size / | tail -n 1 | tr -dc 0-9")
    assert int(size) >= 100
    lab.ok("undercloud", "hostnamectl set-hostname rdo-director.localdomain")
    assert lab.ok("undercloud", "hostname; cat /etc/hostname") == "rdo-director.localdomain\n" * 2
    lab.ok("undercloud", "useradd -m stack")
    assert lab.ok("undercloud", "id -un stack; stat -c %U /home/stack") == "stack\nstack\n"


def test_c1_the_user_stack_needs_a_sudoers_entry(lab: Lab) -> None:
    assert "not in the sudoers" in lab.refused("undercloud", stack("sudo id"))
    lab.ok("undercloud", "install -m 0440 /dev/stdin /etc/sudoers.d/stack", "stack ALL=(root) NOPASSWD:ALL\n")
    assert lab.ok("undercloud", stack("sudo id -un; echo hi | sudo cat; sudo -E pwd")) == "root\nhi\n/home/stack\n"
    assert lab.ok("undercloud", "sudo -iu stack sh -c 'id -un; pwd'") == "stack\n/home/stack\n"
    assert lab.run("undercloud", stack("sudo false")).returncode == 1


COMPONENT = "https://trunk.rdoproject.org/centos8/component/tripleo/current"
RELEASE_PACKAGE = (
    f"dnf install -y --repofrompath=rdo,{COMPONENT} --setopt=rdo.gpgcheck=0 python3-tripleo-repos"
    " && rpm -q python3-tripleo-repos"
)


def test_c1_the_release_package_is_in_rdos_repository_alone(lab: Lab) -> None:
    """The order of the tests of C1 matters: the next one installs it."""
    package = "python3-tripleo-repos-0.1.1-0.20220201181859.87c9879.el8.noarch.rpm"
    add = "dnf install -y --setopt=x.gpgcheck=0 python3-tripleo-repos --repofrompath=x,"
    assert "404" in lab.refused("undercloud", f"{add}https://trunk.rdoproject.org/centos8/component/compute/current")
    assert "GPG check FAILED" in lab.refused("undercloud", RELEASE_PACKAGE.replace("gpgcheck=0", "gpgcheck=1"))
    assert "404" in lab.refused("undercloud", f"dnf install -y {COMPONENT}/python3-tripleo-repos.rpm")
    assert "not installed" in lab.run("undercloud", "rpm -q python3-tripleo-repos").stdout
    lab.ok("undercloud", f"dnf install -y {COMPONENT}/{package} && rpm -q --quiet python3-tripleo-repos")
    lab.ok("undercloud", "dnf remove -y python3-tripleo-repos")


def test_c1_packages_need_their_repositories(lab: Lab) -> None:
    assert lab.run("undercloud", "openstack --version").returncode == 127
    assert lab.run("undercloud", "tripleo-repos -b wallaby current").returncode == 127
    assert "Unable to find a match" in lab.refused("undercloud", "dnf install -y python3-tripleoclient")
    assert "Unable to find a match" in lab.refused("undercloud", "dnf install -y python3-tripleo-repos")
    lab.ok("undercloud", RELEASE_PACKAGE)
    assert "invalid choice" in lab.refused("undercloud", "tripleo-repos -b wallby current")
    assert "root" in lab.refused("undercloud", stack("tripleo-repos -b wallaby current"))
    assert "delorean" in lab.ok("undercloud", stack("sudo -E tripleo-repos -b wallaby current"))
    assert "Installed" in lab.ok("undercloud", "dnf install -y python3-tripleoclient")
    assert "Nothing to do" in lab.ok("undercloud", "dnf install -y python3-tripleoclient")
    assert lab.ok("undercloud", "head -c 20 /usr/share/openstack-tripleo-heat-templates/overcloud.j2.yaml")


def test_c1_templates_are_the_branchs_unless_the_release_is_injected(lab: Lab) -> None:
    """MlnxSDNToken is newer than release 14.3.0."""
    grep = f"grep -c MlnxSDNToken {HEAT_TEMPLATES}/{SDN}"
    assert lab.ok("undercloud", grep) == "2\n"
    lab.keeper.control({"op": "templates", "released": True})
    assert lab.run("undercloud", grep).stdout == "0\n"
    lab.ok("undercloud", f"rm -r {HEAT_TEMPLATES} && dnf remove -y python3-tripleoclient")
    lab.ok("undercloud", "dnf install -y python3-tripleoclient")
    assert lab.run("undercloud", grep).stdout == "0\n"
    lab.keeper.control({"op": "templates", "released": False})
    assert lab.ok("undercloud", grep) == "2\n"


# -- C2 to C4


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ("local_ip = 127.0.24.1/24", "local_ip = 127.0.24.1/32", "Value must be in CIDR format"),
        ("local_ip = 127.0.24.1/24", "", "local_ip is not set"),
        ("rdo-director.localdomain", "director", "is not fully qualified"),
        ("dhcp_end = 127.0.24.99", "dhcp_end = 127.0.25.99", "not in defined CIDR"),
        ("dhcp_end = 127.0.24.99", "dhcp_end = 127.0.24.9", "does not come before"),
        ("127.0.24.100,127.0.24.149", "127.0.24.149,127.0.24.100", "Invalid inspection range"),
        ("local_interface = eno1", "local_interface = eno7", "eno7 is not available"),
        ("masquerade = true", "masquerade = maybe", "Unexpected boolean value"),
        ("[ctlplane-subnet]", "[other]", "Section ctlplane-subnet is missing"),
    ],
)
def test_c4_a_wrong_undercloud_conf_is_refused_before_the_installation(
    lab: Lab, was: str, becomes: str, says: str
) -> None:
    conf = tripleo.undercloud_conf(lab.plan)
    assert was in conf
    place(lab, "/home/stack/undercloud.conf", conf.replace(was, becomes))
    assert says in lab.refused("undercloud", stack("openstack undercloud install"))


def test_c4_the_installation_needs_its_files_and_the_user_stack(lab: Lab) -> None:
    place(lab, "/home/stack/undercloud.conf", tripleo.undercloud_conf(lab.plan))
    assert "files were not found" in lab.refused("undercloud", stack("openstack undercloud install"))
    place(lab, "/home/stack/containers-prepare-parameter-ib-vm.yaml", tripleo.containers_prepare(lab.plan))
    assert "cannot run under root" in lab.refused("undercloud", "openstack undercloud install")
    assert "unrecognized" in lab.refused("undercloud", stack("openstack undercloud install --yess"))
    assert "successfully installed" in lab.ok("undercloud", stack("openstack undercloud install"))
    assert lab.ok("undercloud", "stat -c '%U %a' /home/stack/stackrc") == "stack 600\n"


def test_c4_a_second_installation_keeps_the_password(lab: Lab) -> None:
    before = lab.ok("undercloud", "cat /home/stack/stackrc")
    lab.ok("undercloud", stack("openstack undercloud install"))
    assert lab.ok("undercloud", "cat /home/stack/stackrc") == before
    place(
        lab, "/home/stack/undercloud.conf", tripleo.undercloud_conf(lab.plan).replace("127.0.24.1/24", "127.0.24.2/24")
    )
    assert "Changing the local_ip is not allowed" in lab.refused("undercloud", stack("openstack undercloud install"))


def test_openstack_commands_need_a_valid_login(lab: Lab) -> None:
    command = "openstack baremetal node list"
    assert "auth-url" in lab.refused("undercloud", stack(command))
    assert "401" in lab.refused("undercloud", admin(f"OS_PASSWORD=wrong {command}"))
    assert "connection refused" in lab.refused("undercloud", admin(f"OS_AUTH_URL=https://127.0.0.1:1 {command}"))
    assert "is not an openstack command" in lab.refused("undercloud", admin("openstack baremetl node list"))


# -- C5


def test_c5_images_are_built_once_and_uploaded(lab: Lab) -> None:
    build = "mkdir -p images && cd images && openstack overcloud image build"
    assert "DIB_RELEASE must be set" in lab.refused("undercloud", stack(build))
    assert "404" in lab.refused("undercloud", stack(DIB + "export STABLE_RELEASE=walaby; " + build))
    upload = "cd images; openstack overcloud image upload"
    assert 'Required file "./overcloud-full.qcow2" does not exist' in lab.refused("undercloud", admin(upload))
    assert "Successfully built" in lab.ok("undercloud", stack(DIB + build))
    assert "Skipping" in lab.ok("undercloud", stack(DIB + build))
    assert "was copied" in lab.ok("undercloud", admin(f"{upload} --update-existing"))
    assert "up-to-date" in lab.ok("undercloud", admin(upload))


# -- C7


def test_c7_import_reports_every_problem(lab: Lab) -> None:
    inventory = json.loads(tripleo.instackenv(lab.plan, FACTORY_BMC))
    nodes = inventory["nodes"]
    del nodes[0]["pm_addr"]
    nodes[1]["ports"][0]["address"] = "nonsense"
    nodes[2]["name"] = nodes[3]["name"]
    nodes[3]["capabilities"] = "profile"
    nodes[4]["pm_adr"] = "1.2.3.4"
    place(lab, "/home/stack/bad.json", json.dumps(inventory))
    said = lab.refused("undercloud", admin("openstack overcloud node import bad.json"))
    for problem in (
        "node #0: The following fields are missing: pm_addr",
        "node #1: MAC address nonsense is invalid",
        'node #3: Name "compute-1" is not unique',
        "node #3: Invalid capabilities: profile",
        "node #4: Unknown field pm_adr",
    ):
        assert problem in said
    assert FACTORY_BMC not in said
    assert "can't open" in lab.refused("undercloud", admin("openstack overcloud node import none.json"))


def test_c7_an_import_registers_each_node_once(lab: Lab) -> None:
    place(lab, "/home/stack/instackenv.json", tripleo.instackenv(lab.plan, FACTORY_BMC))
    lab.ok("undercloud", admin("openstack overcloud node import --validate-only ~/instackenv.json"))
    assert states(lab) == {}
    out = lab.ok("undercloud", admin("openstack overcloud node import ~/instackenv.json"))
    assert out.count("Successfully registered node UUID") == 5
    assert set(states(lab).values()) == {("manageable", "power off")}
    assert len(states(lab)) == 5
    lab.ok("undercloud", admin("openstack overcloud node import ~/instackenv.json"))
    assert len(states(lab)) == 5
    assert FACTORY_BMC not in (lab.rack.undercloud.folder / "state.json").read_text()
    listed = lab.ok("undercloud", admin("openstack baremetal node list"))
    assert "| Name         | Instance UUID | Power State | Provisioning State | Maintenance |" in listed
    fields = json.loads(lab.ok("undercloud", admin("openstack baremetal node list --fields name driver_info -f json")))
    assert {row["Name"]: row["Driver Info"]["ipmi_password"] for row in fields}["compute-1"] == "******"
    assert fields[0].keys() == {"Name", "Driver Info"}
    show = lab.ok("undercloud", admin("openstack baremetal node show compute-1 -f value -c provision_state"))
    assert show == "manageable\n"
    assert "404" in lab.refused("undercloud", admin("openstack baremetal node show compute-9"))


def test_c7_a_bmc_accepts_only_its_own_login(lab: Lab) -> None:
    def registered(**own: str) -> tuple[str, str]:
        inventory = tripleo.instackenv(lab.plan, FACTORY_BMC, {"compute-2": own["password"]} if own else {})
        place(lab, "/home/stack/instackenv.json", inventory)
        lab.ok("undercloud", admin("openstack overcloud node import ~/instackenv.json"))
        return states(lab)["compute-2"]

    lab.ok("undercloud", admin("openstack baremetal node delete compute-2"))
    lab.rack.nodes["compute-2"].inject(HardwareFaults(bmc_password="own-password"))
    assert registered() == ("enroll", "None")
    assert registered(password="own-password") == ("manageable", "power off")
    assert "own-password" not in (lab.rack.undercloud.folder / "state.json").read_text()
    lab.rack.nodes["compute-2"].inject(HardwareFaults())
    assert registered() == ("manageable", "power off")


# -- I1


def test_i1_nodes_are_configured_only_after_their_introspection(lab: Lab) -> None:
    configure = "openstack overcloud node configure --all-manageable --root-device largest"
    assert "no introspection data" in lab.refused("undercloud", admin(configure))
    assert "not found" in lab.refused("undercloud", admin("openstack baremetal introspection interface list compute-1"))
    assert "required" in lab.refused("undercloud", admin("openstack overcloud node introspect"))
    assert "unrecognized" in lab.refused("undercloud", admin("openstack overcloud node introspect --all-manage"))


def test_i1_adapters_are_in_the_fabric_during_introspection(lab: Lab) -> None:
    lab.fabric.events.clear()
    out = lab.ok("undercloud", admin("openstack overcloud node introspect --all-manageable"))
    assert "Introspection completed" in out
    names = [h.name for h in lab.plan.hosts]
    assert lab.fabric.events == [f"link {n}" for n in names] + [f"unlink {n}" for n in names]
    assert set(states(lab).values()) == {("manageable", "power off")}
    assert lab.run("controller-1", "true").returncode == 255, "no SSH server runs in the agent or afterwards"


def test_i1_a_failing_fabric_leaves_no_node_on(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(node: str) -> None:
        if node == "controller-2":
            raise LabError("fabric: no answer")

    monkeypatch.setattr(lab.fabric, "link", link)
    assert "no answer" in lab.refused("undercloud", admin("openstack overcloud node introspect --all-manageable"))
    assert set(states(lab).values()) == {("manageable", "power off")}


def introspected(lab: Lab, node: str, options: str = "") -> dict[str, Any]:
    saved = lab.ok("undercloud", admin(f"openstack baremetal introspection data save {options} {node}"))
    data: dict[str, Any] = json.loads(saved)
    return data


def test_i1_introspection_finds_the_interfaces_with_carrier_and_client_id(lab: Lab) -> None:
    command = "openstack baremetal introspection interface list compute-1 -f json"
    listed = [i["Interface"] for i in json.loads(lab.ok("undercloud", admin(command)))]
    assert listed == ["eno1", "eno2", "ib2", "ib3"]
    data = introspected(lab, "compute-1")
    assert data["all_interfaces"]["eno1"] == {
        "ip": "127.0.24.103", "mac": "52:54:00:00:00:21", "client_id": None, "pxe": True,
    }  # fmt: skip
    assert list(data["interfaces"]) == ["eno1"]
    assert data["macs"] == ["52:54:00:00:00:21"]
    wired, second = (next(i for i in data["inventory"]["interfaces"] if i["name"] == name) for name in ("ib2", "ib3"))
    assert wired == {
        "name": "ib2", "mac_address": "b8:59:9f:b0:00:41", "ipv4_address": None, "ipv6_address": None,
        "has_carrier": True, "lldp": None, "vendor": "0x15b3", "product": "0x101b",
        "client_id": "ff:00:00:00:00:00:02:00:00:02:c9:00:b8:59:9f:03:00:b0:00:41", "biosdevname": None,
    }  # fmt: skip
    assert second["has_carrier"] is False
    assert second["client_id"].endswith(":b8:59:9f:03:00:b0:00:42")
    assert data["all_interfaces"]["ib2"] == {
        "ip": None, "mac": wired["mac_address"], "client_id": wired["client_id"], "pxe": False,
    }  # fmt: skip
    carriers = {i["name"]: i["has_carrier"] for i in introspected(lab, "controller-1")["inventory"]["interfaces"]}
    assert carriers == {"eno1": True, "eno2": True, "ib2": True, "ib3": False}
    assert "all_interfaces" not in introspected(lab, "compute-1", "--unprocessed")
    lab.ok("undercloud", admin("openstack baremetal introspection data save --file data.json compute-1"))
    assert json.loads(lab.ok("undercloud", "cat /home/stack/data.json")) == data


def test_i1_introspection_reports_the_hardware_not_the_configuration(lab: Lab) -> None:
    hca = {"interface": "ib4", "guid": "b8599f0300c0ffe1", "carrier": False}
    lab.keeper.control({"op": "hardware_faults", "node": "compute-1", "faults": {"hca": hca}})
    lab.ok("undercloud", admin("openstack overcloud node introspect compute-1"))
    found = {i["name"]: i for i in introspected(lab, "compute-1")["inventory"]["interfaces"]}
    assert list(found) == ["eno1", "eno2", "ib4", "ib5"]
    assert found["ib4"]["client_id"].endswith("b8:59:9f:03:00:c0:ff:e1")
    assert not found["ib4"]["has_carrier"]
    assert lab.rack.nodes["compute-1"].ports()[0].interface == "ib4"
    lab.keeper.control({"op": "hardware_faults", "node": "compute-1", "faults": {}})
    lab.ok("undercloud", admin("openstack overcloud node introspect compute-1"))
    assert "ib2" in introspected(lab, "compute-1")["all_interfaces"]


def test_i1_configured_nodes_become_available(lab: Lab) -> None:
    lab.ok(
        "undercloud",
        admin(
            "openstack overcloud node configure --all-manageable --instance-boot-option local --root-device largest"
            " --boot-mode bios"
        ),
    )
    assert "/dev/nvme0n1" in lab.ok("undercloud", admin("openstack baremetal node show compute-1 --fields properties"))
    lab.ok("undercloud", admin("openstack overcloud node provide --all-manageable"))
    assert set(states(lab).values()) == {("available", "power off")}
    assert "not manageable" in lab.refused("undercloud", admin("openstack overcloud node introspect compute-1"))


# -- O5


def bundle(lab: Lab) -> dict[str, str]:
    return {
        "network_data_ib_vm.yaml": tripleo.network_data(lab.plan),
        "vip-data-ib-vm.yaml": tripleo.vip_data(lab.plan),
        "roles_data_ib_vm.yaml": tripleo.roles_data(lab.plan),
        "node-info-ib-vm.yaml": tripleo.node_info(lab.plan),
        "controller-ib-vm-nics.j2": tripleo.controller_nics(lab.plan),
        "compute-ib-vm-nics.j2": tripleo.compute_nics(lab.plan),
        "containers-prepare-parameter-ib-vm.yaml": tripleo.containers_prepare(lab.plan),
        "neutron-ml2-mlnx-sdn-vm.yaml": tripleo.ml2_sdn(lab.plan, "sdn-token"),
        "ib-env-vm.yaml": tripleo.ib_env(replace(lab.plan, ufm_ca=UFM_CA)),
    }


def deploy(lab: Lab) -> str:
    return admin(shlex.join(lab.plan.deploy_command))


def test_o5_a_deployment_with_a_wrong_file_or_option_is_refused(lab: Lab) -> None:
    said = lab.refused("undercloud", deploy(lab))
    assert "Error: The following files were not found" in said
    assert "ib-env-vm.yaml" in said
    assert "podman.yaml" not in said
    for name, text in bundle(lab).items():
        place(lab, f"{DEPLOY_FOLDER}/{name}", text)
    without = deploy(lab).replace(" --deployed-server", "")
    assert "--deployed-server must be used when using --baremetal-deployment" in lab.refused("undercloud", without)
    assert "unrecognized" in lab.refused("undercloud", deploy(lab).replace("--vip-file", "--vip-fil"))
    place(
        lab,
        f"{DEPLOY_FOLDER}/node-info-ib-vm.yaml",
        tripleo.node_info(lab.plan).replace("name: compute-2", "name: compute-9"),
    )
    assert "compute-9 could not be found" in lab.refused("undercloud", deploy(lab))
    place(lab, f"{DEPLOY_FOLDER}/node-info-ib-vm.yaml", tripleo.node_info(lab.plan).replace("count: 2", "count: 1"))
    assert "cannot be greater than count" in lab.refused("undercloud", deploy(lab))
    place(lab, f"{DEPLOY_FOLDER}/node-info-ib-vm.yaml", tripleo.node_info(lab.plan))
    assert lab.cloud.files is None


def test_o5_needs_available_nodes(lab: Lab) -> None:
    lab.ok("undercloud", admin("openstack baremetal node manage compute-2"))
    said = lab.refused("undercloud", deploy(lab))
    assert "Node compute-2" in said
    assert "is in state manageable" in said
    lab.ok("undercloud", admin("openstack baremetal node provide compute-2"))
    lab.ok("undercloud", admin("openstack baremetal node maintenance set compute-2"))
    assert "maintenance" in lab.refused("undercloud", deploy(lab))
    lab.ok("undercloud", admin("openstack baremetal node maintenance unset compute-2"))


def test_o5_a_failing_fabric_leaves_nodes_that_can_be_deployed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(node: str) -> None:
        raise LabError("fabric: no answer")

    with monkeypatch.context() as patch:
        patch.setattr(lab.fabric, "link", link)
        assert "no answer" in lab.refused("undercloud", deploy(lab))
    assert {state for state, _ in states(lab).values()} == {"available"}


NODES = f"{DEPLOY_FOLDER}/node-info-ib-vm.yaml"
PROVISION = f"openstack overcloud node provision --overcloud-ssh-user {NODE_USER} -o nodes.yaml {NODES}"
NETWORKS = f"openstack overcloud network provision -o networks.yaml {DEPLOY_FOLDER}/network_data_ib_vm.yaml"


def test_o5_nodes_are_provisioned_on_their_networks(lab: Lab) -> None:
    with lab.rack.undercloud.change():
        lab.rack.undercloud.state.networks = []
    said = lab.refused("undercloud", admin(PROVISION))
    assert "Provision instance network ports" in said
    assert "cli-overcloud-node-provision.yaml, Run Status: failed" in said
    lab.ok("undercloud", admin(NETWORKS))
    assert "Will not overwrite existing file: networks.yaml" in lab.refused("undercloud", admin(NETWORKS))
    assert "Nodes deployed successfully" in lab.ok("undercloud", admin(PROVISION))
    assert set(states(lab).values()) == {("active", "power on")}
    assert "Output file nodes.yaml already exists" in lab.refused("undercloud", admin(PROVISION))


def test_o5_a_provisioned_node_runs_no_container(lab: Lab) -> None:
    lab.ok("compute-1", "echo kept > /root/mark")
    assert lab.ok("compute-1", "podman ps -aq") == ""
    lab.ok("undercloud", admin(f"rm nodes.yaml; {PROVISION}"))
    assert lab.ok("compute-1", "cat /root/mark") == "kept\n", "provisioning again changes nothing"
    assert "iommu" not in lab.ok("compute-1", "cat /proc/cmdline")


def test_o5_enters_nodes_as_the_user_that_provisioning_created(lab: Lab) -> None:
    said = lab.refused("undercloud", deploy(lab).replace(f" --overcloud-ssh-user {NODE_USER}", ""))
    assert "heat-admin: Permission denied" in said


@pytest.mark.parametrize(
    ("vfs", "says"),
    [
        (0, "Unable to read numvfs for ib2: [Errno 2] No such file or directory"),
        (4, "Unable to configure pf: ib2 with numvfs: 8\n[Errno 34] Numerical result out of range"),
    ],
)
def test_o5_refuses_more_vfs_than_the_adapter_offers(lab: Lab, vfs: int, says: str) -> None:
    lab.set_vfs(vfs)
    said = lab.refused("undercloud", deploy(lab))
    assert f"SRIOVNumvfsException: {says}" in said
    assert "cli-overcloud-node-network-config.yaml, Run Status: failed" in said
    assert lab.ok("compute-1", "podman ps -aq") == ""
    lab.set_vfs(lab.plan.site.compute.vfs)


def test_o5_a_failing_service_fails_the_deployment(lab: Lab) -> None:
    lab.cloud.broken = "neutron-server ended; the end of its log:\nsdn url is wrong"
    said = lab.refused("undercloud", deploy(lab))
    assert "sdn url is wrong" in said
    assert "Deployed successfully" not in said
    lab.cloud.broken = ""


def test_o5_a_deployment_activates_all_nodes_and_writes_the_login(lab: Lab) -> None:
    assert "Overcloud Deployed successfully" in lab.ok("undercloud", deploy(lab))
    assert set(states(lab).values()) == {("active", "power on")}
    assert lab.fabric.linked >= {h.name for h in lab.plan.hosts}
    files = lab.cloud.files
    assert files is not None
    assert files.roles.read_text() == tripleo.roles_data(lab.plan)
    assert [f.name for f in files.environments][-2:] == ["ib-env-vm.yaml", "disable-telemetry.yaml"]
    assert all(f.is_file() for f in files.environments)
    assert (files.templates / "overcloud.j2.yaml").is_file()
    assert set(lab.cloud.hardware) == {h.hostname for h in lab.plan.computes}
    assert {h.vfs for h in lab.cloud.hardware.values()} == {lab.plan.site.compute.vfs}
    assert lab.ok("undercloud", "cat /home/stack/overcloudrc") == lab.cloud.overcloudrc()
    status = "/home/stack/overcloud-deploy/overcloud/overcloud-deployment_status.yaml"
    assert lab.ok("undercloud", f"cat {status}") == "deployment_status: DEPLOY_SUCCESS\n"


def test_o5_nodes_have_their_deployed_names(lab: Lab) -> None:
    for host in lab.plan.hosts:
        assert lab.ok(host.name, "hostname").strip() == host.hostname
    ml2 = "/var/lib/config-data/puppet-generated/neutron/etc/neutron/plugins/ml2/ml2_conf.ini"
    assert lab.ok("controller-1", f"cat {ml2}") == lab.cloud.ml2_conf()
    for name in ("controller-3", "compute-1"):
        assert lab.ok(name, f"cat {UFM_CA_FILE}") == UFM_CA


def test_o5_new_kernel_arguments_take_a_reboot_of_new_nodes(lab: Lab) -> None:
    assert lab.plan.site.compute.kernel_args in lab.ok("compute-1", "cat /proc/cmdline")
    assert "iommu" not in lab.ok("controller-1", "cat /proc/cmdline")
    assert lab.ok("compute-1", "podman ps -aq") != ""


def test_host_keys_are_read_through_the_undercloud(lab: Lab) -> None:
    port, address = lab.plan.site.ssh.node_port, lab.address("compute-1")
    scanned = lab.ok("undercloud", f"ssh-keyscan -t ed25519 -p {port} {address} 2>/dev/null")
    key = (lab.rack.nodes["compute-1"].folder / "host_key.pub").read_text().split()[1]
    assert key in scanned


def test_o5_an_update_does_not_touch_deployed_nodes(lab: Lab) -> None:
    lab.ok("compute-1", "echo kept > /root/mark")
    lab.ok("undercloud", deploy(lab))
    assert lab.ok("compute-1", "cat /root/mark") == "kept\n"


# -- G1, G2


def build(image: Image, **other: str) -> str:
    """Return the command line of a build by user stack, with the program's variables."""
    variables = {"DIB_RELEASE": "8-stream", "ELEMENTS_PATH": "/opt/dib-elements", **image.variables, **other}
    exports = "".join(f"export {name}={shlex.quote(value)}; " for name, value in variables.items())
    return stack(f"{exports}disk-image-create {' '.join(image.elements)} -o images/{image.name}")


def test_a_guest_image_is_built_once(lab: Lab) -> None:
    image = lab.plan.site.images[1]
    assert "no cloud image" in lab.refused("undercloud", build(image, DIB_RELEASE="9"))
    assert "Build completed" in lab.ok("undercloud", build(image))
    first = lab.ok("undercloud", f"sha256sum /home/stack/images/{image.name}.qcow2")
    lab.ok("undercloud", build(image))
    assert lab.ok("undercloud", f"sha256sum /home/stack/images/{image.name}.qcow2") == first
    assert '"format": "qcow2"' in lab.ok(
        "undercloud", f"qemu-img info --output json /home/stack/images/{image.name}.qcow2"
    )
    assert "A100" in lab.ok("undercloud", "nvidia-smi -L")
    assert "NVIDIA Corporation" in lab.ok("undercloud", "lspci")


def test_cuda_s_installer_is_found_at_nvidia_s_url_only(lab: Lab) -> None:
    url = lab.plan.site.images[1].variables["DIB_CUDA_URL"]
    lab.ok("undercloud", f"curl -fsI {url}")
    assert "error: 404" in lab.refused("undercloud", f"curl -fsI {url.replace('.run', '.exe')}")


@pytest.mark.parametrize(
    ("elements_", "says"),
    [
        (("vm", "cuda-driver", "centos"), "Element 'cuda-driver' not found"),
        (("vm", "growroot"), "include an operating system element"),
        (("vm", "centos", "ubuntu"), "already provided by"),
        (("vm", "centos", "cuda"), "needs MLNX_OFED"),
    ],
)
def test_diskimage_builder_expands_the_elements(lab: Lab, elements_: tuple[str, ...], says: str) -> None:
    assert says in lab.refused("undercloud", build(Image(name="other", elements=elements_)))


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("DIB_CLOUD_INIT_DATASOURCES", "", "must be set to a comma-separated list"),
        ("DIB_YUM_REPO_CONF", "/etc/yum.repos.d/none.repo", "none.repo is not a valid yum repo configuration file"),
        ("DIB_MOFED_FILE", "/opt/none.iso", "cannot stat '/opt/none.iso'"),
        ("DIB_CUDA_URL", "https://developer.download.nvidia.com/none.run", "404"),
        ("DIB_CUDA_PATH", "/usr/local/cuda-11.4", "/usr/local/cuda-11.4/include/cuda.h: No such file"),
        ("DIB_MODPROBE_BLACKLIST", "", "Nouveau"),
        ("ELEMENTS_PATH", "/opt/none", "is not a directory"),
    ],
)
def test_a_build_ends_where_a_variable_of_the_how_to_is_wrong(lab: Lab, variable: str, value: str, says: str) -> None:
    """The first two messages are those of diskimage-builder's own scripts."""
    assert says in lab.refused("undercloud", build(lab.plan.site.images[1], **{variable: value}))


def test_the_program_reports_every_fault_of_a_build_host_at_once(lab: Lab) -> None:
    image = lab.plan.site.images[1]

    def checked(**change: object) -> str:
        lines = guest_images.checks(image.model_copy(update=change), "/opt/dib-elements")
        return as_stack(*lines)

    lab.ok("undercloud", checked())
    wrong = {
        "DIB_MOFED_FILE": "/opt/none.iso",
        "DIB_CUDA_URL": "https://developer.download.nvidia.com/none.run",
        "DIB_YUM_REPO_CONF": "/etc/yum.repos.d/Cent* /etc/yum.repos.d/none*",
    }
    said = lab.refused("undercloud", checked(elements=(*image.elements, "cuda-driver"), environment=wrong))
    assert [line for line in said.splitlines() if line.startswith("image ")] == [
        f"image {image.name}: {fault}"
        for fault in (
            "neither diskimage-builder nor /opt/dib-elements contains the element cuda-driver",
            "cannot read /opt/none.iso (DIB_MOFED_FILE)",
            "no file /etc/yum.repos.d/none* (DIB_YUM_REPO_CONF)",
            "https://developer.download.nvidia.com/none.run does not answer (DIB_CUDA_URL)",
        )
    ]


# -- removal


def test_delete_keeps_the_nodes_by_default(lab: Lab) -> None:
    assert "not confirmed" in lab.refused("undercloud", admin("openstack overcloud delete overcloud"))
    lab.ok("undercloud", admin("openstack overcloud delete -y overcloud"))
    assert lab.cloud.files is None
    assert set(states(lab).values()) == {("active", "power on")}
    said = lab.refused("undercloud", admin("openstack baremetal node delete compute-1"))
    assert 'can not be deleted while it is in provision state "active"' in said


def test_delete_with_the_nodes_file_switches_the_nodes_off(lab: Lab) -> None:
    lab.fabric.events.clear()
    lab.ok("undercloud", admin(f"openstack overcloud delete -y overcloud -b {DEPLOY_FOLDER}/node-info-ib-vm.yaml"))
    assert set(states(lab).values()) == {("available", "power off")}
    assert lab.fabric.linked == {"ufm"}
    assert lab.run("compute-1", "true").returncode == 255
    lab.ok("undercloud", admin("openstack baremetal node delete " + " ".join(h.name for h in lab.plan.hosts)))
    assert states(lab) == {}


def test_a_new_deployment_has_new_host_keys(lab: Lab) -> None:
    lab.ok("undercloud", admin("openstack overcloud node import ~/instackenv.json"))
    lab.ok("undercloud", admin("openstack overcloud node introspect --all-manageable --provide"))
    lab.ok("undercloud", deploy(lab))
    first = (lab.rack.nodes["compute-1"].folder / "host_key.pub").read_text()
    lab.ok("undercloud", admin(f"openstack overcloud node unprovision --all -y {DEPLOY_FOLDER}/node-info-ib-vm.yaml"))
    lab.ok("undercloud", deploy(lab))
    assert (lab.rack.nodes["compute-1"].folder / "host_key.pub").read_text() != first


def test_an_openstack_command_takes_less_than_five_seconds(lab: Lab) -> None:
    """The emulation must not slow the program's tests down."""
    began = time.monotonic()
    lab.ok("undercloud", admin("openstack baremetal node list"))
    assert time.monotonic() - began < 5
