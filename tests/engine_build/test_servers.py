"""An instance in ERROR, on the real engine: `cloud/servers.py`. Commands stand for instances and the gate."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.test_nova import PASSWORD, REASON, Cloud

from .conftest import Project

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]

PROVIDER = "unexpected state 'ERROR', wanted target 'ACTIVE'. last error: %!s(<nil>)"
"""The text of the openstack provider: it formats an error that is not there."""
ID = "5936eb2b-0056-48ca-bd95-f9174d3d6d49"
PROGRAM = f"""
import json
import sys
from pathlib import Path

sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})
import pulumi
from pulumi_command import local

from cloud.servers import Servers

spec = json.loads(Path("spec.json").read_text())
servers = Servers("tenant", pulumi.Output.secret(json.dumps(spec["login"])))
vm = local.Command("tenant-vm1", create=spec["vm"], opts=pulumi.ResourceOptions(hooks=servers.instance))
servers.watch(vm)
user = pulumi.ResourceOptions(hooks=servers.user, depends_on=[vm])
local.Command("gate", create=spec["gate"], opts=user)
pulumi.export("vm", vm.id)
"""


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def made(project: Callable[..., Project]) -> Project:
    return project(__main__=PROGRAM)


def spec(cloud: Cloud, vm: str = "true", gate: str = "true") -> dict[str, Any]:
    return {"login": cloud.login, "vm": vm, "gate": gate}


def in_error(made: Project, cloud: Cloud) -> str:
    """Put the instance into ERROR at nova and return the message that is expected."""
    id_ = made.outputs()["vm"]
    cloud.servers[id_] = {"status": "ERROR", "fault": {"message": REASON}}
    urn = "urn:pulumi:dev::proof::command:local:Command::tenant-vm1"
    reason = REASON.rstrip(".")
    return f"instance tenant-vm1 ({id_}) is in ERROR: {reason}; fix the cause, then: pulumi up --replace '{urn}'"


def preview(made: Project, content: dict[str, Any], *arguments: str) -> tuple[int, str]:
    (made.folder / "spec.json").write_text(json.dumps(content))
    process = made.start("preview", *arguments)
    text, _ = process.communicate()
    return process.returncode, text


def test_an_update_of_an_instance_in_error_is_refused_in_preview_and_up(made: Project, cloud: Cloud) -> None:
    made.up(spec(cloud))
    text = in_error(made, cloud)
    status, said = preview(made, spec(cloud, vm="echo other"))
    assert status != 0
    assert text in said
    assert text in made.up(spec(cloud, vm="echo other"), fails=True).text
    assert PASSWORD not in said
    replace = ("--replace", "urn:pulumi:dev::proof::command:local:Command::tenant-vm1")
    status, said = preview(made, spec(cloud, vm="echo other"), *replace)
    assert (status, "is in ERROR" in said) == (0, False), said
    assert "1 replaced" in made.up(spec(cloud, vm="echo other"), *replace).text


def test_a_step_that_needs_running_instances_names_the_one_in_error(made: Project, cloud: Cloud) -> None:
    made.up(spec(cloud))
    text = in_error(made, cloud)
    assert "3 unchanged" in made.up(spec(cloud)).text, "nothing is to be done"
    assert text in made.up(spec(cloud, gate="echo other"), fails=True).text


def test_a_failed_create_shows_nova_s_reason(made: Project, cloud: Cloud) -> None:
    cloud.servers[ID] = {"status": "ERROR", "fault": {"message": REASON}}
    text = f"Error waiting for instance ({ID}) to become ready: {PROVIDER}"
    said = made.up(spec(cloud, vm=f'echo "{text}" >&2; exit 1'), fails=True).text
    assert f"instance tenant-vm1 ({ID}) is in ERROR: {REASON.rstrip('.')}; fix the cause, then: pulumi up" in said


def test_a_cloud_that_does_not_answer_stops_nothing(made: Project, cloud: Cloud) -> None:
    made.up(spec(cloud))
    in_error(made, cloud)
    cloud.broken = True
    assert "2 updated" in made.up(spec(cloud, "echo other", "echo other")).text
