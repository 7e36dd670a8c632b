"""The stack's ID and the marks of its objects."""

import re
import subprocess
from typing import Any

import pytest

import components as c
from access.ssh import Operator
from components.owner import DRAW, KEEP
from rack.owner import KEY, Mark
from rack.plan import Plan
from tests.components.conftest import STACK_ID, Recorder, deploy, record


@pytest.fixture
def marks() -> list[str]:
    return []


@pytest.fixture
def recorded(plan: Plan, marks: list[str]) -> Recorder:
    def program(operator: Operator) -> Any:
        owner = c.Owner("owner")
        assert (owner.project, owner.stack) == ("project", "stack"), "those of Pulumi's mocks"
        return owner.mark("tenant-network").apply(marks.append)

    return record(plan, program)


def sh(command: str, **environment: str) -> str:
    return subprocess.run(
        ["/bin/sh", "-c", command],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_the_id_is_eight_random_hexadecimal_digits() -> None:
    drawn = [sh(DRAW) for _ in range(3)]
    assert all(re.fullmatch("[0-9a-f]{8}", one) for one in drawn), drawn
    assert len(set(drawn)) > 1


def test_no_id_is_an_error(tmp_path: Any) -> None:
    (tmp_path / "od").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "od").chmod(0o755)
    with pytest.raises(subprocess.CalledProcessError) as failure:
        sh(DRAW, PATH=f"{tmp_path}:/usr/bin:/bin")
    assert "cannot draw the stack's ID" in failure.value.stderr


def test_an_update_keeps_the_id(recorded: Recorder) -> None:
    """pulumi-command runs `create` again on a change if there is no `update`; it exports the previous output."""
    command = recorded.resources["owner-id"].inputs
    assert command == {"create": DRAW, "update": KEEP, "logging": "none"}
    assert sh(command["update"], PULUMI_COMMAND_STDOUT=STACK_ID) == STACK_ID


def test_a_mark_names_the_stack_and_the_resource(recorded: Recorder, marks: list[str]) -> None:
    assert marks == [f"rack {STACK_ID} tenant-network"]


@pytest.fixture(scope="module")
def rack(plan: Plan) -> Recorder:
    return record(plan, lambda operator: deploy(plan, operator) and None)


UNMARKED = {"keypair:Keypair", "routerInterface:RouterInterface", "floatingIpAssociate:FloatingIpAssociate"}
"""Types without a text that the create request could carry; `rack recover` matches them by name and parent."""


def test_every_object_of_the_cloud_carries_its_mark_in_the_request_that_creates_it(rack: Recorder) -> None:
    places = {"image:Image": ("properties", KEY), "instance:Instance": ("metadata", KEY)}
    found = set()
    for name, resource in rack.resources.items():
        module, _, kind = resource.token.partition("/")
        if not module.startswith("openstack:") or kind in UNMARKED:
            continue
        field, *key = places.get(kind, ("description",))
        value = resource.inputs[field]
        assert (value[key[0]] if key else value) == str(Mark(STACK_ID, name)), name
        found.add(kind)
    assert len(found) == 8, "flavor, image, server, network, subnet, port, router, floating IP"
