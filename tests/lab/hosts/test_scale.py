"""Scaling a spare out and in: O5 as a stack update, and `openstack overcloud node delete`."""

import json
import threading
from collections.abc import Iterator

import pytest
import yaml

from lab.hosts import templates
from lab.hosts.backends.interfaces import ComputeService, Guest, NetworkAgent
from lab.hosts.state import FACTORY_BMC
from lab.inventory import spares
from lab.process import LabError, until
from rack import tripleo
from rack.plan import DEPLOY_FOLDER, Plan
from tests.lab.hosts.conftest import MARKS, STACK, Lab
from tests.lab.hosts.fakes import OVERCLOUD_LOGIN
from tests.lab.hosts.test_undercloud import DIB, RELEASE_PACKAGE, admin, bundle, deploy, place, stack, states

pytestmark = MARKS

NODES = f"{DEPLOY_FOLDER}/node-info-ib-vm.yaml"
DELETE = f"openstack overcloud node delete -y -b {NODES}"
THIRD = "overcloud-computesriov-ib-2.localdomain"
AGENT = NetworkAgent("7f1c", "Mellanox plugin agent", THIRD, "neutron-mlnx-agent")


def ready(lab: Lab) -> None:
    """Run C1 to I1 for the nodes of the configuration."""
    lab.ok("undercloud", f"useradd -m stack && {RELEASE_PACKAGE} && tripleo-repos -b wallaby current")
    lab.ok("undercloud", "dnf install -y python3-tripleoclient")
    place(lab, "/home/stack/containers-prepare-parameter-ib-vm.yaml", tripleo.containers_prepare(lab.plan))
    install_undercloud(lab, clean=True)
    images = "mkdir images && cd images && openstack overcloud image build && . ~/stackrc"
    lab.ok("undercloud", stack(f"{DIB}{images} && openstack overcloud image upload"))


def install_undercloud(lab: Lab, clean: bool) -> None:
    conf = tripleo.undercloud_conf(lab.plan)
    assert "clean_nodes = true" in conf
    place(lab, "/home/stack/undercloud.conf", conf.replace("clean_nodes = true", f"clean_nodes = {clean}"))
    lab.ok("undercloud", stack("openstack undercloud install"))


def register(lab: Lab) -> None:
    place(lab, "/home/stack/instackenv.json", tripleo.instackenv(lab.plan, FACTORY_BMC))
    lab.ok("undercloud", admin("openstack overcloud node import ~/instackenv.json"))
    lab.ok("undercloud", admin("openstack overcloud node introspect --all-manageable --provide"))


def ship(lab: Lab) -> None:
    for name, text in bundle(lab).items():
        place(lab, f"{DEPLOY_FOLDER}/{name}", text)


def mark(lab: Lab, *leaving: str, **roles: object) -> None:
    """Ship node-info with `provisioned: false` on these nodes. `roles` overrides the reduced count of a role."""
    document = yaml.safe_load(tripleo.node_info(lab.plan))
    for role in document:
        for instance in role["instances"]:
            if instance["name"] in leaving:
                instance["provisioned"] = False
                role["count"] -= 1
        role["count"] = roles.get(role["name"], role["count"])
    place(lab, NODES, yaml.safe_dump(document))


def serve(lab: Lab) -> None:
    """Register the third compute with nova and neutron, as its services do when they start."""
    lab.cloud.services[THIRD] = ComputeService(7, THIRD)
    lab.cloud.agents_[AGENT.id] = AGENT


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    templates.fetch(print)
    lab = Lab(tmp_path_factory.mktemp("lab"))
    ready(lab)
    register(lab)
    ship(lab)
    lab.set_vfs(lab.plan.site.compute.vfs)
    lab.ok("undercloud", deploy(lab))
    yield lab
    lab.stop()


def overcloud(command: str) -> str:
    """Return the command as user stack with the overcloud's credentials."""
    return stack("".join(f"export {key}={value}; " for key, value in OVERCLOUD_LOGIN.items()) + command)


def boots(lab: Lab) -> dict[str, str]:
    return {h.name: lab.ok(h.name, "cat /proc/sys/kernel/random/boot_id") for h in lab.plan.hosts[:5]}


# -- scale out


def test_a_spare_is_in_the_rack_and_powered_off(lab: Lab) -> None:
    assert set(lab.rack.nodes) == {*(h.name for h in lab.plan.hosts), "compute-3"}
    spare = lab.rack.nodes["compute-3"]
    assert not spare.installed
    assert not spare.powered
    assert "compute-3" not in lab.fabric.linked
    assert "compute-3" not in states(lab)
    assert set(lab.ufm.names.values()) == {h.name for h in lab.plan.hosts}


def test_a_spare_is_deployed_without_touching_other_nodes(lab: Lab) -> None:
    before, events = boots(lab), lab.fabric.events
    lab.plan = Plan(lab.plan.site.model_copy(update={"nodes": (*lab.plan.site.nodes, *spares(STACK))}))
    register(lab)
    events.clear()
    ship(lab)
    lab.ok("undercloud", deploy(lab))
    assert boots(lab) == before
    assert events == ["link compute-3", "unlink compute-3", "link compute-3"], "kernel arguments take a reboot"
    assert lab.ok("compute-3", "hostname") == f"{THIRD}\n"
    assert lab.cloud.hardware[THIRD].node == "compute-3"
    assert len(lab.cloud.hardware) == 3
    assert lab.ufm.names[THIRD] == "compute-3"


def test_the_host_name_comes_from_the_deployment(lab: Lab) -> None:
    """The name does not depend on the node's position in the rack."""
    lab.ok("undercloud", admin(f"openstack overcloud node unprovision -y --all {NODES}"))
    assert until(lambda: set(states(lab).values()) == {("available", "power off")}, 20)
    renamed = {name: text.replace("computesriov-ib-2", "computesriov-ib-7") for name, text in bundle(lab).items()}
    place(lab, NODES, renamed["node-info-ib-vm.yaml"])
    lab.ok("undercloud", deploy(lab))
    assert lab.cloud.hardware["overcloud-computesriov-ib-7.localdomain"].node == "compute-3"
    assert lab.ufm.names["overcloud-computesriov-ib-7.localdomain"] == "compute-3"
    ship(lab)
    other = lab.refused("undercloud", admin(f"openstack overcloud node unprovision -y --all {NODES}"))
    assert "Requested hostname overcloud-computesriov-ib-2 was not found, but the deployed node" in other
    place(lab, NODES, renamed["node-info-ib-vm.yaml"])
    lab.ok("undercloud", admin(f"openstack overcloud node unprovision -y --all {NODES}"))
    assert until(lambda: set(states(lab).values()) == {("available", "power off")}, 20)
    ship(lab)
    lab.ok("undercloud", deploy(lab))
    serve(lab)


# -- scale in


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("openstack overcloud node delete -y", "one of the arguments <node> -b/--baremetal-deployment is required"),
        (f"openstack overcloud node delete -y -b {NODES} x", "not allowed with argument <node>"),
        ("openstack overcloud node delete -y -b none.yaml", "No such file or directory: 'none.yaml'"),
        ("openstack overcloud node delete -y nobody", "does not match any hosts"),
        (f"{DELETE} --stack other nobody", "not allowed"),
        (f"{DELETE} --stack=other", "No such playbook: /home/stack/overcloud-deploy/other/config-download/other/scale"),
        (f"openstack overcloud node delete -b {NODES}", "Action not confirmed, exiting."),
    ],
)
def test_node_delete_refuses(lab: Lab, command: str, says: str) -> None:
    mark(lab, "compute-3")
    assert says in lab.refused("undercloud", admin(command))
    assert states(lab)["compute-3"] == ("active", "power on")
    assert THIRD in lab.cloud.services
    assert not lab.cloud.services[THIRD].disabled


def test_node_delete_needs_a_reduced_count_of_the_role(lab: Lab) -> None:
    mark(lab, ComputeSriovIB=2)
    said = lab.refused("undercloud", admin(DELETE))
    assert "ComputeSriovIB: number of instance entries 3 cannot be greater than count 2" in said


def test_no_node_is_undeployed_without_a_marked_entry(lab: Lab) -> None:
    ship(lab)
    assert lab.ok("undercloud", admin(DELETE)) == "No nodes to unprovision\n"
    assert lab.ok("undercloud", admin(f"openstack overcloud node unprovision {NODES}")).startswith(
        "Nothing to unprovis"
    )


def test_a_node_with_servers_stays_deployed_when_nova_refuses(lab: Lab) -> None:
    """As with the real tool, the compute is disabled and stopped before nova refuses to delete its service."""
    mark(lab, "compute-3")
    lab.cloud.vms = [Guest("1", "vm3", "ACTIVE", THIRD, {}, {})]
    said = lab.refused("undercloud", admin(DELETE))
    assert "Unable to delete compute service that is hosting instances. (HTTP 409)" in said
    assert "Ansible execution failed. playbook: " in said
    assert "Return Code: 2, To rerun" in said
    service = lab.cloud.services[THIRD]
    assert service.disabled
    assert not service.up
    assert states(lab)["compute-3"] == ("active", "power on")
    assert "nova_compute" not in lab.ok("compute-3", "podman ps --format '{{.Names}}'")
    lab.cloud.vms = []
    ship(lab)
    lab.ok("undercloud", deploy(lab))
    assert "nova_compute" in lab.ok("compute-3", "podman ps --format '{{.Names}}'"), (
        "a deployment starts the compute again"
    )


def test_node_delete_scales_a_compute_in(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    before, link, agent_runs = boots(lab), lab.fabric.link, threading.Event()

    def slowly(node: str) -> None:
        assert agent_runs.wait(20)
        link(node)

    monkeypatch.setattr(lab.fabric, "link", slowly)
    mark(lab, "compute-3")
    said = lab.ok("undercloud", admin(DELETE))
    assert "| hostname                    | name      | id " in said
    assert "| overcloud-computesriov-ib-2 | compute-3 | " in said
    assert "Delete nova-compute service" in said
    assert states(lab)["compute-3"][0] == "cleaning", "the command ends before the cleaning"
    assert "compute-3" not in lab.fabric.linked
    assert THIRD not in lab.cloud.services
    assert lab.cloud.lost[-1] == THIRD
    assert not lab.cloud.agents_[AGENT.id].alive
    assert lab.run("compute-3", "true").returncode == 255
    assert not lab.rack.nodes["compute-3"].installed
    assert "in state cleaning" in lab.refused("undercloud", deploy(lab).replace(NODES, shipped(lab)))
    said = lab.refused("undercloud", admin("openstack baremetal node delete compute-3"))
    assert 'while it is in provision state "cleaning"' in said
    agent_runs.set()
    assert until(lambda: states(lab)["compute-3"] == ("available", "power off"), 20)
    assert lab.fabric.events[-3:] == ["unlink compute-3", "link compute-3", "unlink compute-3"]
    assert boots(lab) == before


def shipped(lab: Lab) -> str:
    """Ship a node-info file with every node, and return its path."""
    place(lab, f"{DEPLOY_FOLDER}/all.yaml", tripleo.node_info(lab.plan))
    return f"{DEPLOY_FOLDER}/all.yaml"


def test_remaining_agents_can_be_deleted(lab: Lab) -> None:
    listing = f"openstack network agent list --host {THIRD} -f json"
    assert json.loads(lab.ok("undercloud", overcloud(listing))) == [
        {
            "ID": AGENT.id,
            "Agent Type": "Mellanox plugin agent",
            "Host": THIRD,
            "Availability Zone": None,
            "Alive": False,
            "State": True,
            "Binary": "neutron-mlnx-agent",
        }
    ]
    assert "| XXX   | UP    | neutron-mlnx-agent |" in lab.ok("undercloud", overcloud("openstack network agent list"))
    assert lab.ok("undercloud", overcloud("openstack network agent list --agent-type l3 -f value")) == ""
    said = lab.refused("undercloud", overcloud(f"openstack network agent delete {AGENT.id} none"))
    assert "Failed to delete network agent with ID 'none': ResourceNotFound: 404: Client Error for url: " in said
    assert "1 of 2 network agents failed to delete." in said
    assert lab.cloud.agents_ == {}
    assert "auth-url" in lab.refused("undercloud", stack("openstack network agent list"))


def test_a_deployment_without_the_node_and_one_with_it(lab: Lab) -> None:
    lab.ok("undercloud", deploy(lab))
    assert set(lab.cloud.hardware) == {h.hostname for h in lab.plan.computes if h.name != "compute-3"}
    assert states(lab)["compute-3"] == ("available", "power off"), "the entry is still marked"
    ship(lab)
    lab.ok("undercloud", deploy(lab))
    assert lab.ok("compute-3", "hostname") == f"{THIRD}\n"
    serve(lab)


def test_node_delete_scales_a_dead_compute_in(lab: Lab) -> None:
    """The compute's service stays registered, because Ansible cannot run the scale tasks."""
    lab.rack.nodes["compute-3"].power_off()
    mark(lab, "compute-3")
    assert "UNREACHABLE" in lab.ok("undercloud", admin(DELETE))
    assert until(lambda: states(lab)["compute-3"] == ("available", "power off"), 20)
    assert not lab.cloud.services[THIRD].disabled
    said = lab.refused("undercloud", overcloud("openstack compute service delete 7 8"))
    assert "Failed to delete compute service with ID '8': Service 8 not found. (HTTP 404)" in said
    assert "1 of 2 compute services failed to delete." in said
    assert lab.cloud.services == {}


def test_without_cleaning_a_node_is_available_at_once(lab: Lab) -> None:
    install_undercloud(lab, clean=False)
    lab.fabric.events.clear()
    mark(lab, "compute-2", "compute-3")
    lab.ok("undercloud", admin(DELETE))
    assert states(lab)["compute-2"] == ("available", "power off")
    assert lab.fabric.events == ["unlink compute-2"]
    install_undercloud(lab, clean=True)


def test_a_node_that_cannot_be_powered_off_or_cleaned_fails(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(node: str) -> None:
        raise LabError("fabric: no answer")

    ship(lab)
    lab.ok("undercloud", deploy(lab))
    mark(lab, "compute-2")
    with monkeypatch.context() as patch:
        patch.setattr(lab.fabric, "unlink", fails)
        assert "no answer" in lab.refused("undercloud", admin(DELETE))
        assert states(lab)["compute-2"][0] == "error"
    with monkeypatch.context() as patch:
        patch.setattr(lab.fabric, "link", fails)
        lab.ok("undercloud", admin(DELETE))
        assert until(lambda: states(lab)["compute-2"][0] == "clean failed", 20)
    lab.ok("undercloud", admin("openstack baremetal node manage compute-2"))
    lab.ok("undercloud", admin("openstack baremetal node maintenance unset compute-2"))
    lab.ok("undercloud", admin("openstack baremetal node provide compute-2"))


def test_a_cleaning_fails_when_the_keeper_ends(lab: Lab) -> None:
    undercloud = lab.rack.undercloud
    with undercloud.change():
        next(n for n in undercloud.state.nodes if n.name == "compute-2").state = "cleaning"
    lab.keeper.stop()
    lab.start()
    assert states(lab)["compute-2"][0] == "clean failed"
