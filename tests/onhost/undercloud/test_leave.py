"""`nodes.py leave` on the lab's undercloud: six nodes are deployed and one is removed from the configuration."""

import json
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from access.ssh import as_stack
from components import undercloud
from lab.hosts import templates
from lab.hosts.backends.interfaces import Guest
from lab.inventory import spares
from onhost import shipping
from onhost.undercloud.orders import LeaveOrder, encode
from rack.plan import Plan
from tests.lab.hosts.conftest import MARKS, STACK, Lab
from tests.lab.hosts.fakes import OVERCLOUD_LOGIN
from tests.lab.hosts.test_scale import AGENT, THIRD, ready, register, serve, ship
from tests.lab.hosts.test_undercloud import deploy, place, states
from tests.onhost.undercloud.progress import run_and

pytestmark = [*MARKS, pytest.mark.timeout(180)]

RUN = as_stack(". ~/stackrc", f"exec python3 {undercloud.PROGRAM} leave")
GUEST = Guest("1", "vm3", "ACTIVE", THIRD, {}, {})


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    templates.fetch(print)
    lab = Lab(tmp_path_factory.mktemp("lab"))
    lab.plan = Plan(lab.plan.site.model_copy(update={"nodes": (*lab.plan.site.nodes, *spares(STACK))}))
    ready(lab)
    register(lab)
    ship(lab)
    lab.set_vfs(lab.plan.site.compute.vfs)
    lab.ok("undercloud", deploy(lab))
    place(lab, undercloud.PROGRAM, shipping.program("undercloud.nodes"))
    yield lab
    lab.stop()


@pytest.fixture
def deployed(lab: Lab) -> Lab:
    """Return the lab with all six nodes deployed and recorded, without instances."""
    lab.cloud.vms = []
    if set(states(lab).values()) != {("active", "power on")} or len(states(lab)) != 6:
        register(lab)
        lab.ok("undercloud", deploy(lab))
    serve(lab)
    assert leave(lab, lab.plan).returncode == 0
    return lab


def leave(lab: Lab, plan: Plan, **changes: Any) -> subprocess.CompletedProcess[str]:
    return lab.run("undercloud", RUN, encode(order(plan)._replace(**changes)))


def order(plan: Plan) -> LeaveOrder:
    return undercloud.leave_order(plan)._replace(pauses=(0.02, 0.2))


def refused(lab: Lab, plan: Plan, **changes: Any) -> str:
    """Return standard error of a run that must fail and remove nothing."""
    done = leave(lab, plan, **changes)
    assert done.returncode == 1, done.stderr
    assert states(lab)["compute-3"] == ("active", "power on")
    assert len(states(lab)) == 6
    return done.stderr


def without(lab: Lab, *names: str, **indexes: int) -> Plan:
    """Return the plan without the nodes `names`, and with the given `index` written for others."""
    nodes = [
        n.model_copy(update={"index": indexes.get(n.name.replace("-", "_"))})
        for n in lab.plan.site.nodes
        if n.name not in names
    ]
    return Plan(lab.plan.site.model_copy(update={"nodes": tuple(nodes)}))


def known(lab: Lab) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lab.ok("undercloud", f"cat {undercloud.NODES}"))
    return found


def test_nothing_is_removed_while_every_node_is_configured(deployed: Lab) -> None:
    done = leave(deployed, deployed.plan)
    assert done.returncode == 0
    assert done.stderr == ""
    assert set(known(deployed)) == set(states(deployed)) == {h.name for h in deployed.plan.hosts}


def test_a_removal_that_would_rename_another_node_is_refused(deployed: Lab) -> None:
    said = refused(deployed, without(deployed, "compute-2"))
    second = "overcloud-computesriov-ib-1.localdomain"
    assert f"compute-3 is deployed as {THIRD} and would become {second}; write `index: 2` in its entry" in said


def test_a_deployed_controller_is_not_removed(deployed: Lab) -> None:
    said = refused(deployed, without(deployed, "controller-3"))
    assert "controller-3 is a deployed controller" in said
    assert "put its entry back" in said


def test_instances_are_refused_before_anything_is_changed(deployed: Lab) -> None:
    deployed.cloud.vms = [GUEST]
    said = refused(deployed, without(deployed, "compute-3"))
    assert f"vm3 (1) on {THIRD} is ACTIVE" in said
    assert "nothing was changed" in said
    assert not deployed.cloud.services[THIRD].disabled
    assert set(known(deployed)) == set(states(deployed)), "the record still has the node, so the next run removes it"


def test_a_drained_node_is_enabled_again_once_it_is_back_in_the_configuration(deployed: Lab) -> None:
    deployed.cloud.vms = [GUEST]
    said = refused(deployed, without(deployed, "compute-3"), instances="drain", limit=0.5)
    assert f"waiting: vm3 (1) on {THIRD}" in said
    assert "The next `up` continues from here" in said
    assert deployed.cloud.services[THIRD].disabled
    assert leave(deployed, deployed.plan).returncode == 0
    assert not deployed.cloud.services[THIRD].disabled


def test_a_service_that_an_operator_disabled_stays_disabled(deployed: Lab) -> None:
    deployed.cloud.set_compute(THIRD, disabled=True, reason="memory errors")
    deployed.cloud.vms = [GUEST]
    refused(deployed, without(deployed, "compute-3"))
    service = deployed.cloud.services[THIRD]
    assert service.disabled
    assert service.reason == "memory errors"


def test_a_removed_compute_is_deleted_from_cloud_and_ironic_and_the_others_stay(deployed: Lab) -> None:
    events = deployed.fabric.events
    events.clear()
    done = leave(deployed, without(deployed, "compute-3"), limit=60)
    assert done.returncode == 0, done.stderr
    assert "removing from the cloud: compute-3" in done.stderr
    assert THIRD not in deployed.cloud.services
    assert AGENT.id not in deployed.cloud.agents_
    stay = {h.name for h in deployed.plan.hosts} - {"compute-3"}
    assert states(deployed) == dict.fromkeys(stay, ("active", "power on"))
    assert set(known(deployed)) == stay
    assert events == ["unlink compute-3", "link compute-3", "unlink compute-3"], "power off, cleaning, power off"
    again = leave(deployed, without(deployed, "compute-3"))
    assert again.returncode == 0
    assert again.stderr == ""


def test_a_node_is_cleaned_before_ironic_deletes_it(deployed: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    link, agent_runs = deployed.fabric.link, threading.Event()
    monkeypatch.setattr(deployed.fabric, "link", lambda node: agent_runs.wait(60) and link(node))

    def clean() -> None:
        assert "compute-3" in states(deployed)
        agent_runs.set()

    done = run_and(
        deployed, RUN, encode(order(without(deployed, "compute-3"))), "waiting: compute-3 is cleaning", clean
    )
    assert done.returncode == 0
    assert "compute-3" not in states(deployed)


def test_a_node_from_the_middle_is_removed_if_the_later_index_is_written(deployed: Lab) -> None:
    done = leave(deployed, without(deployed, "compute-2", compute_3=2), limit=60)
    assert done.returncode == 0, done.stderr
    assert "compute-2" not in states(deployed)
    assert states(deployed)["compute-3"] == ("active", "power on")


def test_the_next_run_finishes_an_interrupted_removal(deployed: Lab) -> None:
    """The node is off and clean; its compute service and agents still exist."""
    whole = leave_half(deployed)
    done = leave(deployed, without(deployed, "compute-3"), limit=60)
    assert done.returncode == 0, done.stderr
    assert THIRD not in deployed.cloud.services
    assert AGENT.id not in deployed.cloud.agents_
    assert set(states(deployed)) == whole - {"compute-3"}


def leave_half(lab: Lab) -> set[str]:
    """Put compute-3 into the state after `openstack overcloud node delete`, with its service still registered."""
    whole = set(states(lab))
    lab.rack.nodes["compute-3"].power_off()
    undercloud = lab.rack.undercloud
    with undercloud.change():
        for node in undercloud.state.nodes:
            if node.name == "compute-3":
                node.state, node.instance = "available", None
    return whole


def test_a_node_that_was_never_deployed_is_only_deleted_from_ironic(deployed: Lab) -> None:
    leave_half(deployed)
    lab = deployed
    lab.ok("undercloud", "mv /home/stack/overcloudrc /home/stack/rc.away")
    try:
        done = leave(lab, without(lab, "compute-3"), limit=60)
    finally:
        lab.ok("undercloud", "mv /home/stack/rc.away /home/stack/overcloudrc")
    assert done.returncode == 0, done.stderr
    assert "compute-3" not in states(lab)


def test_failed_cleaning_is_reported_and_resumed_after_the_repair(deployed: Lab) -> None:
    leave_half(deployed)
    set_state(deployed, "clean failed")
    done = leave(deployed, without(deployed, "compute-3"))
    assert done.returncode == 1
    assert "compute-3 is clean failed; openstack baremetal node manage compute-3" in done.stderr
    set_state(deployed, "manageable")
    assert leave(deployed, without(deployed, "compute-3")).returncode == 0
    assert "compute-3" not in states(deployed)


def set_state(lab: Lab, state: str) -> None:
    undercloud = lab.rack.undercloud
    with undercloud.change():
        next(n for n in undercloud.state.nodes if n.name == "compute-3").state = state


def test_no_line_contains_the_overcloud_s_password(deployed: Lab) -> None:
    deployed.cloud.vms = [GUEST]
    assert OVERCLOUD_LOGIN["OS_PASSWORD"] not in refused(deployed, without(deployed, "compute-3"))
