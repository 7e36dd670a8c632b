"""The gate's resources: what waits for what, where the token goes, and what the undercloud's Python must understand."""

import json
import shlex
from importlib.resources import files

import pulumi
import pytest

from components import introspection
from rack import tripleo
from rack.plan import Plan
from tests.components.conftest import AUTHORITY, SDN_TOKEN, Recorder, record
from tests.components.test_rack import deploy, secret

PROGRAM = files("components").joinpath("introspect.py").read_text()


@pytest.fixture(scope="module")
def rack(plan: Plan) -> Recorder:
    return record(plan, lambda operator: deploy(plan, operator) and None)


def test_the_gate_waits_for_import_and_every_control_pkey(rack: Recorder, plan: Plan) -> None:
    assert rack.needs["introspection-program"] == {"undercloud-nodes"}
    pkeys = {f"fabric-{p.network}" for p in plan.control_pkeys}
    assert len(pkeys) == 3
    assert rack.needs["introspection-nodes"] >= {"introspection-program", *pkeys}


def test_no_file_of_the_overcloud_is_there_before_the_gate_is_open(rack: Recorder) -> None:
    bundle = [name for name, r in rack.resources.items() if "/templates/IB/VM/" in str(r.inputs.get("create"))]
    shipped = [name for name in bundle if "install -D" in rack.resources[name].inputs["create"]]
    assert len(shipped) == 9
    for name in shipped:
        assert "introspection-nodes" in rack.needs[name], name
    assert set(shipped) <= rack.needs["overcloud-deploy"]


def test_the_undercloud_only_imports(rack: Recorder) -> None:
    create = shlex.split(rack.resources["undercloud-nodes"].inputs["create"])[-1]
    assert create.endswith("openstack overcloud node import ~/instackenv.json")


def test_the_program_runs_as_stack_and_again_when_it_changes(rack: Recorder) -> None:
    program, gate = rack.resources["introspection-program"].inputs, rack.resources["introspection-nodes"].inputs
    assert program["stdin"] == PROGRAM and "-o stack" in program["create"]
    assert gate["create"].startswith("/opt/rack-job run introspection-nodes sudo -Hu stack ")
    assert tripleo.digest(PROGRAM) in gate["create"]
    assert gate["update"] == gate["create"]
    assert gate["delete"].endswith("/opt/rack-job forget introspection-nodes\nrm -f /home/stack/introspection.json")


def test_what_it_is_told_is_a_secret_and_all_from_the_plan(rack: Recorder, plan: Plan) -> None:
    told = json.loads(secret(rack.resources["introspection-nodes"].inputs["stdin"]))
    assert told["ufm"] == {"url": plan.site.ufm.url, "ca": AUTHORITY, "insecure": False, "token": SDN_TOKEN}
    assert told["nodes"] == [h.name for h in plan.hosts]
    assert {p["pkey"]: p["members"] for p in told["pkeys"]} == {p.pkey: dict(p.members) for p in plan.control_pkeys}
    assert (told["limit"], told["repeats"], told["boot_mode"]) == (90 * 60, 2, "bios")


def test_an_authority_that_cannot_be_read_is_named(plan: Plan) -> None:
    ufm = plan.site.ufm.model_copy(update={"ca_file": plan.site.ufm.ca_file and plan.site.ufm.ca_file.parent})
    with pytest.raises(pulumi.RunError, match=r"ufm\.caFile: can't read"):
        introspection.order(Plan(plan.site.model_copy(update={"ufm": ufm})), SDN_TOKEN)
