"""The waves' resources: their number, order and inputs."""

import json
import re
import shlex
from itertools import pairwise
from typing import Any

from onhost import shipping
from rack import tripleo
from rack.plan import Plan
from rack.site.undercloud import Repository
from tests.components.conftest import HOST_KEY, Recorder, deploy, record

PROGRAM = shipping.program("undercloud.wave")
CONTROLLERS = ["firmware-controllers-1", "firmware-controllers-2", "firmware-controllers-3"]


def changed(plan: Plan, **firmware: Any) -> Plan:
    return Plan(plan.site.model_copy(update={"firmware": plan.site.firmware.model_copy(update=firmware)}))


def recorded(plan: Plan) -> Recorder:
    return record(plan, lambda operator: deploy(plan, operator) and None)


def waves(rack: Recorder) -> list[str]:
    return [name for name in rack.resources if re.fullmatch(r"firmware-\w+s-\d+", name)]


def order_of(rack: Recorder, name: str) -> dict[str, Any]:
    order: dict[str, Any] = json.loads(rack.resources[name].inputs["stdin"])
    return order


def test_each_wave_is_one_resource_that_depends_on_the_previous_wave(rack: Recorder) -> None:
    order = ["firmware-program", *CONTROLLERS, "firmware-computes-1", "firmware-computes-2"]
    assert set(waves(rack)) == set(order[1:])
    for before, wave in pairwise(order):
        assert before in rack.needs[wave], wave


def test_max_unavailable_2_puts_two_computes_into_one_wave(plan: Plan) -> None:
    rack = recorded(changed(plan, max_unavailable=2))
    assert set(waves(rack)) == {*CONTROLLERS, "firmware-computes-1"}
    assert [n["name"] for n in order_of(rack, "firmware-computes-1")["nodes"]] == ["compute-1", "compute-2"]


def test_waves_run_after_ufm_s_restart_and_before_the_instances(rack: Recorder, plan: Plan) -> None:
    assert "overcloud-restart-ufm" in rack.needs["firmware-program"]
    for vm in plan.site.tenant.instances:
        assert "firmware-computes-2" in rack.below(f"tenant-{vm.name}")


def test_the_program_runs_as_stack_without_a_login_in_its_environment_and_after_each_change_of_it(
    rack: Recorder,
) -> None:
    program, wave = rack.resources["firmware-program"].inputs, rack.resources["firmware-computes-1"].inputs
    assert program["stdin"] == PROGRAM
    assert "-o stack" in program["create"]
    assert wave["create"].startswith("/opt/rack-job run firmware-computes-1 sudo -Hu stack ")
    script = shlex.split(wave["create"])[-1]
    assert script.splitlines()[-1] == "exec python3 /home/stack/wave.py"
    assert "overcloudrc" not in script
    assert tripleo.digest(PROGRAM) in script
    assert wave["update"] == wave["create"]


def test_a_wave_s_order_has_the_role_s_parameters_and_pinned_host_keys(rack: Recorder, plan: Plan) -> None:
    compute, controller = order_of(rack, "firmware-computes-2"), order_of(rack, "firmware-controllers-1")
    assert controller["settings"] == {"LINK_TYPE_P1": 1}
    assert compute["settings"]["NUM_OF_VFS"] == plan.site.compute.vfs
    host = plan.host("compute-2")
    assert compute["nodes"] == [{"name": "compute-2", "address": "127.0.24.22", "hostname": host.hostname}]
    assert compute["host_keys"] == [f"[127.0.24.22]:2222 {HOST_KEY}"]
    assert (compute["instances"], compute["boot_mode"], compute["kernel_args"]) == (
        "refuse",
        "bios",
        "amd_iommu=on iommu=pt",
    )


def test_the_check_list_is_printed_once_per_role(rack: Recorder) -> None:
    assert [name for name in waves(rack) if order_of(rack, name)["check_list"]] == [
        CONTROLLERS[0],
        "firmware-computes-1",
    ]


def test_controllers_may_have_their_adapter_at_another_pci_address(plan: Plan) -> None:
    rack = recorded(changed(plan, controller_hca="41:00.0"))
    assert order_of(rack, CONTROLLERS[0])["device"] == "41:00.0"
    assert order_of(rack, "firmware-computes-1")["device"] == plan.site.compute.hca


# -- before the deployment


def test_adapters_of_new_nodes_are_set_between_provisioning_and_deployment(rack: Recorder, plan: Plan) -> None:
    assert "overcloud-provision" in rack.needs["overcloud-host-key-compute-1"]
    for role, hosts in (("controllers", plan.controllers), ("computes", plan.computes)):
        step = f"overcloud-factory-{role}"
        assert {f"overcloud-host-key-{host.name}" for host in hosts} <= rack.needs[step]
        assert step in rack.needs["overcloud-deploy"]
        assert [node["name"] for node in order_of(rack, step)["nodes"]] == [host.name for host in hosts]
    assert order_of(rack, "overcloud-factory-computes")["settings"] == order_of(rack, "firmware-computes-1")["settings"]
    assert shlex.split(rack.resources["overcloud-factory-computes"].inputs["create"])[-1].endswith("/factory.py")


def test_mstflint_comes_from_the_site_s_repositories(plan: Plan) -> None:
    own = (Repository(id="own", baseurl="https://mirror.example/wallaby"),)
    undercloud = plan.site.undercloud.model_copy(update={"repositories": own})
    rack = recorded(Plan(plan.site.model_copy(update={"undercloud": undercloud})))
    wanted = {f"overcloud-repositories-{host.name}" for host in plan.hosts}
    assert wanted <= rack.needs["overcloud-factory-computes"]


def test_provisioning_never_overwrites_its_output(rack: Recorder, plan: Plan) -> None:
    script = shlex.split(rack.resources["overcloud-provision"].inputs["create"])[-1].splitlines()
    assert script[-2:] == [f"{shlex.join(words)} >&2" for words in plan.provision_commands]
    assert script[-5:-2] == ["output=$(mktemp -d)", "trap 'rm -r $output' EXIT", "cd $output"]
    assert "unprovision -y --all --stack overcloud" in rack.resources["overcloud-provision"].inputs["delete"]
