"""Who owns the rack: the order of claims, guards and everything else."""

import shlex
from ipaddress import IPv4Address
from typing import Any

import pulumi
import pytest

import components as c
from access.ssh import Operator
from onhost import shipping
from rack.plan import Plan
from tests.components.conftest import HOST_KEY, STACK_ID, Recorder, deploy, ownership, record

CLAIMS = ("owner-ufm-host", "owner-undercloud")
GUARDS = ("owner-guard-ufm-host", "owner-guard-undercloud", "owner-guard-pkeys")
COMPONENTS = ("rack:", "pulumi:")


@pytest.fixture(scope="module")
def rack(plan: Plan) -> Recorder:
    return record(plan, lambda operator: deploy(plan, operator) and None)


def existing(plan: Plan) -> Plan:
    """Return the plan of a rack whose UFM exists."""
    return Plan(plan.site.model_copy(update={"ufm": plan.site.ufm.model_copy(update={"host": None})}))


def of_the_rack(recorder: Recorder) -> set[str]:
    """Return every resource but components, providers and the stack's ID."""
    tokens = {name: resource.token for name, resource in recorder.resources.items()}
    return {name for name, token in tokens.items() if not token.startswith(COMPONENTS)} - {"owner-id"}


def test_nothing_on_a_host_precedes_the_claims_of_all_hosts(rack: Recorder) -> None:
    """Not even a claim: each waits for the one before, so that a refusal leaves the other hosts unmarked."""
    assert rack.below("owner-ufm-host") & of_the_rack(rack) == set()
    assert rack.below("owner-undercloud") & of_the_rack(rack) == {"owner-ufm-host"}
    for name in of_the_rack(rack) - {*CLAIMS}:
        assert {*CLAIMS} <= rack.below(name) or name == "ufm-admin", name


def test_pkeys_and_token_follow_the_claim_of_the_pkeys(rack: Recorder) -> None:
    pkeys = ["0x65", "0xb", "0xc", "0xd"]
    assert rack.resources["ufm-owner"].inputs == {"owner": STACK_ID, "pkeys": pkeys, "take_from": ""}
    for name in ("ufm-token", "fabric-Storage", "gate-members", "tenant-pkey"):
        assert "ufm-owner" in rack.below(name), name


def test_an_existing_ufm_is_asked_before_any_host_is_claimed(plan: Plan) -> None:
    plan = existing(plan)
    recorder = record(plan, lambda operator: deploy(plan, operator) and None)
    assert recorder.below("ufm-owner") & of_the_rack(recorder) == {"ufm-admin"}
    for name in of_the_rack(recorder) - {"ufm-admin", "ufm-owner"}:
        assert "ufm-owner" in recorder.below(name), name
    assert "owner-ufm-host" not in recorder.resources


def test_a_build_host_has_a_mark_of_its_own(plan: Plan) -> None:
    builder = type("Builder", (), {"address": IPv4Address("192.0.2.9")})
    site = plan.site.model_copy(update={"builder": builder})

    def program(operator: Operator) -> None:
        known = operator.known_hosts + f"[192.0.2.9]:{plan.site.ssh.port} {HOST_KEY}\n"
        marks = ownership(Plan(site), Operator(operator.ssh, operator.private_key, known))
        marks.claim_hosts()

    recorder = record(plan, program)
    assert recorder.needs["owner-builder"] == {"owner-undercloud"}
    assert "HOST=build host (192.0.2.9)" in shlex.split(recorder.resources["owner-builder"].inputs["create"])


def test_the_guards_are_deleted_before_everything_else(rack: Recorder) -> None:
    """The engine deletes dependents first."""
    below = set().union(*map(rack.below, of_the_rack(rack)))
    (first,) = of_the_rack(rack) - below
    assert first == "owner-guard-pkeys"
    assert rack.needs[first] == {"owner-guard-undercloud", "owner-id"}
    assert rack.needs["owner-guard-undercloud"] == {"owner-guard-ufm-host"}
    assert of_the_rack(rack) - {*GUARDS} <= rack.below("owner-guard-ufm-host")


def test_a_protected_stack_is_refused_before_its_guards(rack: Recorder) -> None:
    assert rack.needs["protection"] == {"owner-guard-pkeys"}


def test_the_commands_name_the_stack_and_read_the_program(rack: Recorder) -> None:
    own = ["PROJECT=project", "STACK=stack", f"ID={STACK_ID}"]
    for name, verbs in (("owner-undercloud", ("claim", "release")), ("owner-guard-undercloud", ("check", "check"))):
        inputs = rack.resources[name].inputs
        assert inputs["stdin"] == shipping.shell_program("owner")
        for key, verb in zip(("create", "delete"), verbs, strict=True):
            assert shlex.split(inputs[key]) == ["sh", "-s", verb, "HOST=undercloud (127.0.24.1)", *own]
        assert inputs["update"] == inputs["create"]


def test_another_stack_s_marks_are_taken_only_if_the_configuration_names_it(plan: Plan) -> None:
    def program(operator: Operator) -> Any:
        marks = c.Ownership(plan, operator, c.Owner("owner"), "99999999")
        return c.UfmHost("ufm", plan, operator, marks, "licence", "password") and None

    recorder = record(plan, program)
    for name in CLAIMS:
        inputs = recorder.resources[name].inputs
        assert shlex.split(inputs["create"])[-1] == "TAKE_FROM=99999999"
        assert "TAKE_FROM" not in inputs["delete"]
    assert recorder.resources["ufm-owner"].inputs["take_from"] == "99999999"


@pytest.mark.parametrize("wrong", ["dev", "1a2b3c4", "1A2B3C4D"])
def test_a_wrong_id_is_reported(plan: Plan, wrong: str) -> None:
    with pytest.raises(pulumi.RunError, match=rf"rack:takeFrom: found '{wrong}'; write the ID"):
        record(plan, lambda operator: c.Ownership(plan, operator, c.Owner("owner"), wrong) and None)
