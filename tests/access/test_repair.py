"""`rack:repair`: counters make steps run again, and change nothing where there are none."""

import shlex
from typing import Any

import pulumi
import pytest

from access.repair import Repairs
from access.ssh import Operator
from rack.plan import Plan
from tests.components.conftest import Recorder, record


def steps(plan: Plan, counters: dict[str, int], user: str = "root") -> Recorder:
    """Register a step, a file and a job on the undercloud with these counters."""

    def program(operator: Operator) -> None:
        again = Operator(
            operator.ssh.model_copy(update={"user": user}),
            operator.private_key,
            operator.known_hosts,
            repairs=Repairs(counters),
        )
        host, opts = again.host(plan.site.undercloud.ssh_address), pulumi.ResourceOptions()
        host.run("step", "echo x", delete="rm x", opts=opts)
        host.file("file", "/etc/x", "content", opts=opts)
        host.job("job", "sudo -Hu stack sh -c 'sleep 1'", delete=":", opts=opts)

    return record(plan, program)


def inputs(found: Recorder) -> dict[str, dict[str, Any]]:
    return {name: found.resources[name].inputs for name in ("step", "file", "job")}


def test_without_counters_every_command_is_as_always(plan: Plan) -> None:
    found = inputs(steps(plan, {}))
    assert found["step"]["create"] == "echo x"
    assert found["file"]["create"].startswith("install ")
    assert found["job"]["create"] == "/opt/rack-job run job sudo -Hu stack sh -c 'sleep 1'"


def test_a_counter_changes_its_own_step_alone(plan: Plan) -> None:
    before, after = inputs(steps(plan, {})), inputs(steps(plan, {"file": 2}))
    assert {name for name in before if before[name] != after[name]} == {"file"}
    for key in ("create", "update"):
        assert after["file"][key] == f": repair 2\n{before['file'][key]}"
    assert after["file"]["delete"] == before["file"]["delete"]


def test_a_counter_is_part_of_a_job_s_key(plan: Plan) -> None:
    """The runner would repeat the result of a command that it knows."""
    words = shlex.split(inputs(steps(plan, {"job": 3}))["job"]["create"])
    assert words == ["/opt/rack-job", "run", "job", "env", "repair=3", "sudo", "-Hu", "stack", "sh", "-c", "sleep 1"]


def test_a_counter_is_inside_of_sudo(plan: Plan) -> None:
    words = shlex.split(inputs(steps(plan, {"step": 1}, user="ops"))["step"]["create"])
    assert words == ["sudo", "-n", "sh", "-c", ": repair 1\necho x"]


def test_a_counter_of_no_step_is_a_warning(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    known, mistyped = Repairs({"step": 1}), Repairs({"step": 1, "stpe": 1})
    for repairs in (known, mistyped):
        repairs.of("step")
        repairs.warn()
    assert said == ["rack:repair: found no step stpe; remove it: pulumi config rm --path 'repair.STEP'"]
