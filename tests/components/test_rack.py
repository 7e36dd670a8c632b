"""The resources of the whole rack: commands, files, secrets and dependencies."""

import os
import shlex
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
import pytest

import components as c
from access.ssh import Operator
from components.overcloud import parse_rc
from components.tenant import vf_guid
from rack import tripleo
from rack.plan import Plan
from tests import yamls
from tests.components.conftest import (
    AUTHORITY,
    GUEST_KEY,
    HOST_KEY,
    SDN_TOKEN,
    SECRETS,
    Recorded,
    Recorder,
    deploy,
    ownership,
    record,
)


def commands(rack: Recorder) -> dict[str, Recorded]:
    return {**rack.of("command:remote:Command"), **rack.of("command:local:Command")}


def secret(value: Any) -> Any:
    """Return the value inside Pulumi's wrapper for secrets; fails if the value is not a secret."""
    assert isinstance(value, dict), f"in the clear: {value!r}"
    assert value.get("4dabf18193072939515e22adb298388d"), f"in the clear: {value!r}"
    return value["value"]


def test_type_tokens_are_fixed(rack: Recorder) -> None:
    """Renaming a type token replaces the resources below it in every stack."""
    assert {r.token for r in rack.resources.values() if r.token.startswith("rack:")} == {
        "rack:owner:Owner",
        "rack:fabric:UfmHost",
        "rack:fabric:Fabric",
        "rack:fabric:Gate",
        "rack:cloud:Undercloud",
        "rack:cloud:Introspection",
        "rack:cloud:Overcloud",
        "rack:cloud:Firmware",
        "rack:cloud:GuestImages",
        "rack:tenant:Tenant",
        "rack:index:Protection",
        "rack:tenant:ExternalAccess",
        "rack:tenant:Bandwidth",
    }


def test_every_connection_pins_a_host_key(rack: Recorder) -> None:
    for name, command in rack.of("command:remote:Command").items():
        assert secret(command.inputs["connection"])["hostKey"] == HOST_KEY, name


def test_no_connection_has_an_agent_socket_path(rack: Recorder) -> None:
    """pulumi-command uses an empty agentSocketPath as a path, and every connection fails (docs/command-plugin.md)."""
    for name, command in rack.of("command:remote:Command").items():
        assert "agentSocketPath" not in secret(command.inputs["connection"]), name


def test_only_standard_error_of_jobs_is_logged(rack: Recorder) -> None:
    """A logged line over 64 KiB hangs pulumi-command; only the job runner limits the length of its lines."""
    for name, command in rack.of("command:remote:Command").items():
        job = command.inputs["create"].startswith("/opt/rack-job run ")
        assert command.inputs["logging"] == ("stderr" if job else "none"), name


def test_output_of_a_step_with_a_secret_stdin_is_secret(rack: Recorder) -> None:
    """pulumi-command does not infer this."""
    with_secret = {
        name
        for name, command in rack.of("command:remote:Command").items()
        if isinstance(command.inputs.get("stdin"), dict)
    }
    assert with_secret >= {"ufm-license", "undercloud-instackenv", "introspection-nodes", "gate-members"}
    for name in with_secret:
        assert rack.hidden[name] >= {"stdout", "stderr"}, name


def test_no_command_line_contains_a_secret(rack: Recorder) -> None:
    for name, command in commands(rack).items():
        for key in ("create", "update", "delete"):
            text = str(command.inputs.get(key) or "")
            assert not any(secret in text for secret in (*SECRETS.values(), SDN_TOKEN, GUEST_KEY, "s3cr3t-admin")), (
                name,
                key,
            )


def test_ufm_resources_use_the_provider_with_the_site_s_address(rack: Recorder, plan: Plan) -> None:
    api = rack.of("pulumi:providers:ufm")["ufm-api"].inputs
    assert (api["address"], api["port"], api["caFile"]) == ("127.0.24.200", 8443, str(plan.site.ufm.ca_file))
    assert secret(api["password"]) == SECRETS["ufm"]
    at_ufm = [r for r in rack.resources.values() if r.token.startswith("ufm:")]
    assert len(at_ufm) == 8
    assert all("pulumi:providers:ufm::ufm-api::" in r.provider for r in at_ufm)


def test_pkeys_have_every_node_of_the_overcloud(rack: Recorder, plan: Plan) -> None:
    pkeys = rack.of("ufm:index:PKey")
    assert {p.inputs["pkey"] for p in pkeys.values()} == {"0xb", "0xc", "0xd"}
    for pkey in pkeys.values():
        assert pkey.inputs["members"] == {f"{h.name}/ib2": h.guid for h in plan.hosts}


def test_pkeys_get_the_network_s_mtu_and_the_site_s_adopt_setting(plan: Plan) -> None:
    control = dict(plan.site.networks.control)
    control["Storage"] = control["Storage"].model_copy(update={"mtu": 4092})
    networks = plan.site.networks.model_copy(update={"control": control})
    ufm = plan.site.ufm.model_copy(update={"adopt_pkeys": True})
    wide = Plan(plan.site.model_copy(update={"networks": networks, "ufm": ufm}))
    pkeys = record(wide, lambda operator: deploy(wide, operator) and None).of("ufm:index:PKey")
    assert {name: p.inputs.get("qos") for name, p in pkeys.items()} == {
        "fabric-InternalApi": None, "fabric-Storage": {"mtu_limit": 4}, "fabric-StorageMgmt": None,
    }  # fmt: skip
    assert all(p.inputs["adopt"] is True for p in pkeys.values())


def test_licence_and_inventory_are_shipped_as_secret_files(rack: Recorder) -> None:
    license_file, inventory = rack.resources["ufm-license"], rack.resources["undercloud-instackenv"]
    assert license_file.inputs["create"].startswith("/opt/rack-ufm license "), "`rack-ufm license` sets the mode 0600"
    assert "-m 0600" in inventory.inputs["create"]
    assert "-o stack" in inventory.inputs["create"]
    assert secret(license_file.inputs["stdin"]) == SECRETS["license"]
    assert SECRETS["ipmi"] in secret(inventory.inputs["stdin"])


def test_a_changed_inventory_is_registered_again(rack: Recorder) -> None:
    """Otherwise a changed BMC address or password never reaches ironic."""
    nodes, inventory = rack.resources["undercloud-nodes"], rack.resources["undercloud-instackenv"]
    assert secret(nodes.inputs["stdin"]) == secret(inventory.inputs["stdin"])


def test_only_the_sdn_file_and_the_orders_of_introspection_and_gate_have_the_token(rack: Recorder, plan: Plan) -> None:
    carriers = {name for name, r in rack.resources.items() if SDN_TOKEN in str(r.inputs)}
    assert carriers == {"overcloud-neutron-ml2-mlnx-sdn-vm", "introspection-nodes", "gate-members"}
    sdn = rack.resources["overcloud-neutron-ml2-mlnx-sdn-vm"].inputs
    assert "-m 0600" in sdn["create"]
    assert secret(sdn["stdin"]) == tripleo.ml2_sdn(plan, SDN_TOKEN)


def test_the_deployment_runs_the_plan_s_command(rack: Recorder, plan: Plan) -> None:
    create = rack.resources["overcloud-deploy"].inputs["create"]
    inner = shlex.split(create)[-1]
    assert shlex.join(plan.deploy_command) in inner
    assert rack.resources["overcloud-deploy"].inputs["delete"].count("overcloud delete -y") == 1


def test_every_document_is_shipped(rack: Recorder, plan: Plan) -> None:
    shipped = {str(r.inputs.get("stdin")) for r in rack.of("command:remote:Command").values()}
    for render in (
        tripleo.network_data, tripleo.vip_data, tripleo.roles_data, tripleo.node_info, tripleo.controller_nics,
        tripleo.compute_nics, tripleo.containers_prepare, tripleo.ib_env, tripleo.undercloud_conf,
    ):  # fmt: skip
        assert render(plan) in shipped, render.__name__


def test_no_step_edits_ml2_conf_after_the_deployment(rack: Recorder) -> None:
    """The deployment writes the options of O6 and T4 (issue 10, R12)."""
    assert not [name for name, command in commands(rack).items() if "ml2_conf.ini" in str(command.inputs)]
    assert "sdn/physical_networks" in rack.resources["overcloud-ib-env-vm"].inputs["stdin"]


def test_controllers_get_the_certificate_authority_of_ufm(rack: Recorder) -> None:
    document = yamls.load(rack.resources["overcloud-ib-env-vm"].inputs["stdin"])
    assert document["parameter_defaults"]["CAMap"] == {"rack-ufm": {"content": AUTHORITY}}


def test_ufm_restarts_after_each_deployment(rack: Recorder, plan: Plan) -> None:
    assert tripleo.deployment_digest(plan) in rack.resources["overcloud-restart-ufm"].inputs["create"]
    assert rack.needs["overcloud-restart-ufm"] == {"overcloud-deploy"}


def test_the_tenant_layer_has_the_guide_s_values(rack: Recorder, plan: Plan) -> None:
    flavor = rack.resources["tenant-flavor"].inputs
    assert (flavor["ram"], flavor["disk"], flavor["vcpus"]) == (8192, 40, 8)
    assert flavor["extraSpecs"] == {"hw:cpu_policy": "dedicated", "pci_passthrough:alias": "a100:1"}
    segment = rack.resources["tenant-network"].inputs["segments"][0]
    assert segment == {"physicalNetwork": "ibnet", "networkType": "vlan", "segmentationId": 101}
    for vm, compute in (("vm1_gpu", 0), ("vm2_gpu", 1)):
        zone = rack.resources[f"tenant-{vm}"].inputs["availabilityZone"]
        assert zone == f"nova:overcloud-computesriov-ib-{compute}.localdomain"
    assert rack.resources["tenant-direct1"].inputs["binding"] == {"vnicType": "direct"}


def test_a_configured_floating_ip_is_allocated_before_the_router_s_address(rack: Recorder) -> None:
    assert rack.resources["external-vm1_gpu"].inputs["address"] == "10.0.0.151"
    assert "external-vm1_gpu" in rack.needs["external-router"]
    assert "external-subnet" in rack.needs["external-vm1_gpu"]
    assert {"external-interface", "tenant-vm1_gpu"} <= rack.needs["external-vm1_gpu-associate"]


def test_the_tenant_s_gate_has_controllers_and_vfs_as_members(rack: Recorder, plan: Plan) -> None:
    gate = rack.resources["tenant-pkey"].inputs
    assert gate["pkey"] == "0x65"
    assert gate["members"]["vm1_gpu/vf"] == "fa163e0000aabbcc"
    assert {f"{h.name}/ib2" for h in plan.controllers} < set(gate["members"])


def test_outputs_summarise_pkeys_instances_addresses_and_bandwidth(plan: Plan) -> None:
    seen: dict[str, Any] = {}

    def program(operator: Operator) -> Any:
        made = deploy(plan, operator)
        return pulumi.Output.all(
            made["fabric"].summary, made["tenant"].summary, made["external"].floating_ips, made["bandwidth"].verdict
        ).apply(lambda found: seen.update(zip(("pkeys", "vms", "floating", "bandwidth"), found, strict=True)))

    record(plan, program)
    assert seen["pkeys"]["InternalApi"] == "0xc: 5 members"
    assert seen["vms"]["vm1_gpu"] == {"status": "ACTIVE", "address": "11.11.11.186"}
    assert seen["floating"] == {"vm1_gpu": "10.0.0.151"}
    assert seen["bandwidth"] == "pass: 194.23 Gb/s average of 32768-byte writes (at least 190)"


def test_an_existing_ufm_gets_no_commands(plan: Plan) -> None:
    existing = Plan(plan.site.model_copy(update={"ufm": plan.site.ufm.model_copy(update={"host": None})}))

    def program(operator: Operator) -> None:
        c.UfmHost("ufm", existing, operator, ownership(existing, operator), None, "password")

    recorder = record(existing, program)
    assert recorder.of("command:remote:Command").keys() == {"owner-undercloud"}
    assert len(recorder.of("ufm:index:AccessToken")) == 1


def test_a_missing_licence_is_reported_with_the_command_that_sets_it(plan: Plan) -> None:
    with pytest.raises(pulumi.RunError, match="pulumi config set --secret ufmLicense"):
        record(plan, lambda operator: c.UfmHost("ufm", plan, operator, ownership(plan, operator), None, "password"))


def installed(plan: Plan, operator: Operator) -> c.UfmHost:
    return c.UfmHost("ufm", plan, operator, ownership(plan, operator), "licence", "password")


def test_a_wrong_assertion_inside_apply_fails(plan: Plan) -> None:
    """Otherwise a wrong assertion in the tests of outputs could go unnoticed (pulumi #6666)."""

    def wrong(version: str) -> None:
        assert version == "no such version"

    with pytest.raises(AssertionError):
        record(plan, lambda operator: installed(plan, operator).version.apply(wrong))


def test_a_changed_document_runs_the_deployment_again(plan: Plan, rack: Recorder) -> None:
    def create_of(changed: Plan) -> str:
        recorder = record(changed, lambda operator: deploy(changed, operator) and None)
        return str(recorder.resources["overcloud-deploy"].inputs["create"])

    other = plan.site.model_copy(update={"compute": plan.site.compute.model_copy(update={"shared_cpus": "0"})})
    before = rack.resources["overcloud-deploy"].inputs["create"]
    assert create_of(plan) == before != create_of(replace(plan, site=other))
    assert before != create_of(replace(plan, ufm_ca="another authority"))


def test_a_node_that_answers_no_ssh_is_named(rack: Recorder, tmp_path: Path) -> None:
    scan = tmp_path / "ssh-keyscan"
    scan.write_text("#!/bin/sh\nexit 1\n")
    scan.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = ["sh", "-c", str(rack.resources["overcloud-host-key-compute-1"].inputs["create"])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "compute-1 (127.0.24.21) answers no SSH; is it up?\n")


def test_parse_rc_reads_quotes_and_export() -> None:
    assert parse_rc("export OS_A='x y'\nOS_B=z\nexport PS1=no\n# OS_C=1\n") == {"OS_A": "x y", "OS_B": "z"}


def test_vf_guid_is_computed_as_networking_mlnx_does() -> None:
    assert vf_guid("FA:16:3e:aa:bb:cc") == "fa163e0000aabbcc"


def test_a_refused_destroy_has_few_paths_to_walk(rack: Recorder) -> None:
    """The engine walks every path of dependencies from a resource whose deletion failed, a million per second."""

    @cache
    def paths(name: str) -> int:
        return 1 + sum(map(paths, rack.links.get(name, ())))

    assert paths("protection") < 2_000_000


def test_no_step_relies_on_a_timeout_that_does_not_end_a_running_command(rack: Recorder) -> None:
    """pulumi-command ignores `customTimeouts` once a command runs (docs/command-plugin.md, S8)."""
    assert not rack.limited & rack.of("command:remote:Command").keys()


def test_only_the_undercloud_and_ufm_s_host_get_ssh_connections(rack: Recorder, plan: Plan) -> None:
    dialled = {secret(c.inputs["connection"])["host"] for c in rack.of("command:remote:Command").values()}
    assert dialled == {str(plan.site.undercloud.address), str(plan.site.ufm.address)}
