"""The nodes' steps on the undercloud: dependencies, the token, and resources that need a node's port."""

import json
import shlex
from dataclasses import replace
from typing import Any

import pytest

from onhost import shipping
from rack import tripleo
from rack.plan import Plan
from rack.site import Site
from tests.components.conftest import AUTHORITY, SDN_TOKEN, Recorder, deploy, record
from tests.components.test_rack import secret

PROGRAM = shipping.program("undercloud.nodes")


@pytest.fixture(scope="module")
def bare(plan: Plan) -> Plan:
    """Return the plan without `guid` and `interface`, so that introspection finds the ports."""
    return replace(plan, site=without_ports(plan.site))


def without_ports(site: Site) -> Site:
    nodes = tuple(node.model_copy(update={"guid": None}) for node in site.nodes)
    return site.model_copy(update={"nodes": nodes, "fabric": site.fabric.model_copy(update={"interface": None})})


def pkeys(plan: Plan) -> set[str]:
    return {f"fabric-{p.network}" for p in plan.control_pkeys}


def test_steps_depend_on_each_other_in_the_order_import_leave_introspect_pkeys_gate(rack: Recorder, plan: Plan) -> None:
    """A port becomes a member after UFM has seen it, and is removed after its node was removed from the cloud."""
    assert rack.needs["undercloud-nodes-program"] == {"undercloud-nodes"}
    assert rack.needs["undercloud-leavers"] == {"undercloud-nodes-program"}
    assert "undercloud-leavers" in rack.needs["introspection-nodes"]
    assert len(pkeys(plan)) == 3
    assert all(rack.needs[pkey] >= {"introspection-nodes"} for pkey in pkeys(plan))
    assert rack.needs["gate-members"] >= pkeys(plan)


def test_the_deployment_depends_on_the_gate_and_every_file(rack: Recorder) -> None:
    bundle = [name for name, r in rack.resources.items() if "/templates/IB/VM/" in str(r.inputs.get("create"))]
    shipped = {name for name in bundle if "install -D" in rack.resources[name].inputs["create"]}
    assert len(shipped) == 9
    factory = {"overcloud-factory-computes", "overcloud-factory-controllers"}
    assert rack.needs["overcloud-deploy"] == {*factory, *shipped}
    assert "gate-members" in rack.needs["overcloud-provision"]


def test_the_nodes_resource_imports_without_introspection(rack: Recorder) -> None:
    create = shlex.split(rack.resources["undercloud-nodes"].inputs["create"])[-1]
    assert create.endswith("openstack overcloud node import ~/instackenv.json")


def test_the_program_runs_as_stack_and_after_each_change_of_it(rack: Recorder) -> None:
    program = rack.resources["undercloud-nodes-program"].inputs
    assert program["stdin"] == PROGRAM
    assert "-o stack" in program["create"]
    for name, verb in (("undercloud-leavers", "leave"), ("introspection-nodes", "introspect")):
        step = rack.resources[name].inputs
        assert step["create"].startswith(f"/opt/rack-job run {name} sudo -Hu stack ")
        assert shlex.split(step["create"])[-1].endswith(f"exec python3 /home/stack/nodes.py {verb}")
        assert tripleo.digest(PROGRAM) in step["create"]
        assert step["update"] == step["create"]
    assert rack.resources["introspection-nodes"].inputs["delete"].endswith("rm -f /home/stack/introspection.json")


def test_the_gate_runs_again_for_each_deployment(rack: Recorder, plan: Plan) -> None:
    gate, deploy = (rack.resources[name].inputs["create"] for name in ("gate-members", "overcloud-deploy"))
    mark = f": deployment {tripleo.deployment_digest(plan)}"
    assert mark in gate
    assert mark in deploy


def test_orders_are_secret_and_have_the_plan_s_values(rack: Recorder, plan: Plan) -> None:
    api = {"url": plan.site.ufm.url, "ca": AUTHORITY, "insecure": False, "token": SDN_TOKEN, "name": None}
    told = json.loads(secret(rack.resources["introspection-nodes"].inputs["stdin"]))
    assert told["ufm"] == api
    assert told["interface"] == "ib2"
    assert told["nodes"] == {h.name: h.guid for h in plan.hosts}
    assert (told["limit"], told["repeats"], told["boot_mode"]) == (90 * 60, 2, "bios")
    gate = json.loads(secret(rack.resources["gate-members"].inputs["stdin"]))
    assert gate["ufm"] == api
    assert gate["members"] == dict(plan.members)
    assert gate["pkeys"] == {p.pkey: p.network for p in plan.control_pkeys}


def test_the_leave_order_has_the_remaining_nodes(rack: Recorder, plan: Plan) -> None:
    told = json.loads(rack.resources["undercloud-leavers"].inputs["stdin"])
    assert told["nodes"]["compute-2"] == {"role": "ComputeSriovIB", "host": plan.host("compute-2").hostname}
    assert [role["name"] for role in told["roles"]] == ["Controller", "ComputeSriovIB"]


# -- ports that the configuration leaves to introspection


def test_ports_from_introspection_and_configuration_give_equal_resources(
    bare: Plan, plan: Plan, rack: Recorder
) -> None:
    ports = {host.name: {"interface": plan.interface, "guid": host.guid} for host in plan.hosts}
    found = record(bare, lambda operator: deploy(bare, operator) and None, {"introspection-nodes": json.dumps(ports)})

    def told(recorder: Recorder, name: str) -> dict[str, Any]:
        return {key: value for key, value in recorder.resources[name].inputs.items() if key != "stdin"}

    for name in ("gate-members", "overcloud-deploy", "overcloud-compute-ib-vm-nics", *pkeys(plan)):
        assert told(found, name) == told(rack, name), name
    nics = "overcloud-compute-ib-vm-nics"
    assert found.resources[nics].inputs["stdin"] == rack.resources[nics].inputs["stdin"]
    assert "introspection-nodes" in found.needs[nics]
    assert found.resources["tenant-pkey"].inputs["members"] == rack.resources["tenant-pkey"].inputs["members"]


# -- protection


def test_the_main_resources_are_protected_when_protect_is_set(plan: Plan) -> None:
    site = plan.site.model_copy(update={"protect": True})
    made = record(Plan(site), lambda operator: deploy(Plan(site), operator) and None)
    pillars = {"ufm-install", "undercloud-install", "overcloud-provision", "overcloud-deploy", *pkeys(plan)}
    assert made.protected == {*pillars, "protection"}
    things = {name for name, r in made.resources.items() if not r.token.startswith(("rack:", "pulumi:providers:"))}
    assert made.below("protection") >= things, "`protection` is deleted before all others"
    assert site.protect is type(site).model_fields["protect"].default, "protect is the default"


def test_nothing_is_protected_when_protect_is_off(rack: Recorder) -> None:
    assert rack.protected == set()
