"""Steps that exist only while the configuration asks for them."""

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

import components as c
from access.repair import Repairs
from access.ssh import Operator
from components.repair import START
from onhost.drift.containers import UNITS
from rack.plan import Plan
from tests.components.conftest import Recorder, deploy, record


def recorded(plan: Plan, counters: dict[str, int]) -> Recorder:
    def program(operator: Operator) -> None:
        repairs = Repairs(counters)
        again = Operator(operator.ssh, operator.private_key, operator.known_hosts, repairs=repairs)
        made: dict[str, Any] = deploy(plan, again)
        if c.Repair.asked(repairs, plan):
            c.Repair("repair", plan, repairs, made["undercloud"], made["overcloud"])

    return record(plan, program)


def test_a_stack_without_counters_has_no_further_resource(plan: Plan, rack: Recorder) -> None:
    assert recorded(plan, {}).resources.keys() == rack.resources.keys()


def test_a_counter_adds_its_step_alone(plan: Plan, rack: Recorder) -> None:
    names = {"repair-service-compute-1", "repair-maintenance-controller-2", "repair-containers-compute-2"}
    found = recorded(plan, dict.fromkeys(names, 1))
    assert found.resources.keys() - rack.resources.keys() == {"repair", *names}
    service = shlex.split(found.resources["repair-service-compute-1"].inputs["create"])[-1]
    assert service.endswith(
        ". ~/overcloudrc\nopenstack compute service set --enable overcloud-computesriov-ib-0.localdomain nova-compute"
    )
    maintenance = shlex.split(found.resources["repair-maintenance-controller-2"].inputs["create"])[-1]
    assert maintenance.endswith(". ~/stackrc\nopenstack baremetal node maintenance unset controller-2")
    for name in names:
        assert "overcloud-deploy" in found.below(name), name
        assert "delete" not in found.resources[name].inputs or name.startswith("repair-containers"), name


@pytest.mark.parametrize(("running", "started"), [(["a"], ["b"]), (["a", "b"], []), ([], ["a", "b"])])
def test_only_containers_that_do_not_run_are_started(tmp_path: Path, running: list[str], started: list[str]) -> None:
    for name in ("a", "b"):
        (tmp_path / f"tripleo_{name}.service").touch()
    (tmp_path / "podman").write_text(
        '#!/bin/sh\nfor name in $RUNNING; do [ "$4" != "name=^$name\\$" ] || echo id; done\n'
    )
    (tmp_path / "systemctl").write_text(f'#!/bin/sh\necho "$2" >> {tmp_path}/started\n')
    for tool in ("podman", "systemctl"):
        (tmp_path / tool).chmod(0o755)
    text = START.replace(UNITS, f"{tmp_path}/tripleo_*.service")
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "RUNNING": " ".join(running)}
    subprocess.run(["sh", "-euc", text], env=env, check=True)
    log = tmp_path / "started"
    assert (log.read_text().split() if log.exists() else []) == [f"tripleo_{name}" for name in started]
