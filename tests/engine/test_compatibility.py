"""Stacks of earlier versions: this version replaces no resource in them, and repeats no long job.

`states/VERSION` holds what such a stack has (`record.py`). Each is imported into a project of its own, and the program
is previewed with it. A preview compares inputs; it needs neither the lab nor a host.
"""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.engine.record import (
    ARMOURED,
    BESIDE,
    IMAGE_CACHE,
    PROGRAM,
    PROJECT,
    STACK_FILE,
    STATE_FILE,
    STATES,
    pulumi,
)

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

VERSIONS = sorted(folder.name for folder in STATES.iterdir())

LONG_JOBS = re.compile(r"undercloud-(prepare|install|images)|overcloud-deploy|images-build-.*")
"""Resources that take minutes to hours on a rack. Their commands and inputs never change.

`ufm-install` is not one of them: run again on a host with the UFM that it asks for, it looks and changes nothing."""

NEW_PROGRAM = "a file on the undercloud with the new program"
SHIPPED = "calls the program on the UFM node instead of holding its text; tests/lab/hosts shows that it changes nothing"
NOTHING_LEFT = "the new program runs, and finds in its records or on the nodes that nothing is left to do"

DEPLOYS_AGAIN: Mapping[str, Mapping[str, str]] = {
    "0.1.0": {
        "overcloud-ib-env-vm": "an A100 is a physical function for nova: type-PCI finds no host (GPU001); the options "
        "of O6 and T4; Neutron verifies UFM's certificate",
        "overcloud-deploy": "the changed document is deployed, as a stack update that replaces nothing, by the user of "
        "the nodes' provisioning",
        "gate-members": "the gate precedes every deployment",
        "overcloud-restart-ufm": "follows every deployment",
    },
}
"""Configuration that was wrong on real hardware, which the first `up` of this version deploys; resource → reason."""

UPDATES: Mapping[str, Mapping[str, str]] = {
    "0.1.0": {
        "ufm-prerequisites": SHIPPED,
        "ufm-folders": SHIPPED,
        "ufm-fabric-address": "it installs the unit that sets the address at boot; the address is there already",
        "ufm-license": SHIPPED,
        "ufm-install": SHIPPED,
        "undercloud-jobs": NEW_PROGRAM,
        "undercloud-inspection": NEW_PROGRAM,
        "undercloud-nodes": "its input is the inventory, so that a changed BMC password reaches ironic; it finds all",
        "undercloud-templates": "the new program checks the templates again, without a change to the host",
        "undercloud-nodes-program": NEW_PROGRAM,
        "undercloud-leavers": NOTHING_LEFT,
        "introspection-nodes": NOTHING_LEFT,
        **dict.fromkeys(
            (
                f"overcloud-host-key-{kind}-{n}"
                for kind, last in (("controller", 3), ("compute", 2))
                for n in range(1, last + 1)
            ),
            "names a node that answers no SSH; it reads the same key again",
        ),
        "firmware-program": NEW_PROGRAM,
        "firmware-controllers-1": NOTHING_LEFT,
        "firmware-controllers-2": NOTHING_LEFT,
        "firmware-controllers-3": NOTHING_LEFT,
        "firmware-computes-1": NOTHING_LEFT,
        "firmware-computes-2": NOTHING_LEFT,
        "bandwidth-ib-write-bw": "it enters its controller through the undercloud, and measures once more",
    },
}
"""Resources that an `up` of this version updates in a stack of an earlier version, each with the reason.

Introspection and firmware waves carry the digest of their program, so that a changed program runs again. An `up` of
this version on a rack that 0.1.0 had deployed took 37 s: no node was introspected or rebooted, and the deployment, the
installations and the image builds kept their only run.
"""

MARKED: Mapping[str, Mapping[str, Sequence[str]]] = {
    "0.1.0": {
        "description": (
            "external-network",
            "external-router",
            "external-subnet",
            "external-vm1_gpu",
            "tenant-direct1",
            "tenant-direct2",
            "tenant-flavor",
            "tenant-network",
            "tenant-subnet",
        ),
        "metadata": ("tenant-vm1_gpu", "tenant-vm2_gpu"),
        "properties": ("images-centos8-stream", "images-centos8-stream-gdr"),
    },
}
"""Objects of the cloud that get their owner mark, by the property that the first `up` writes in place; else nothing."""

ADDED: Mapping[str, Mapping[str, str]] = {
    "0.1.0": {
        "owner": "the component of the stack's ID",
        "owner-id": "draws the stack's ID on the operator's machine; it touches nothing of the rack",
        **dict.fromkeys(("owner-ufm-host", "owner-undercloud"), "marks the host, which has no mark, as this stack's"),
        "ufm-owner": "marks the PKeys, which have no mark, as this stack's",
        **dict.fromkeys(("owner-guard-ufm-host", "owner-guard-undercloud"), "compares the mark; it changes nothing"),
        "owner-guard-pkeys": "touches nothing until it is deleted",
        "undercloud-release-package": "looks for the package that adds RDO's repositories, and finds it installed",
        **dict.fromkeys(
            ("images-check-centos8-stream", "images-check-centos8-stream-gdr"), "finds the built image and ends"
        ),
        **dict.fromkeys(
            ("images-variables-centos8-stream", "images-variables-centos8-stream-gdr"),
            "a file with the job's default variables, which are not in its command",
        ),
        "tenant-key-pair": "the key pair of new instances; existing ones keep theirs",
        "ufm-program": "a file on the UFM node with the steps",
        "overcloud-node-program": "a file on the undercloud, where steps on nodes run: nodes accept no other key",
        "overcloud-provision": "node provision leaves provisioned nodes as they are, like every overcloud deploy",
        "overcloud-factory-program": NEW_PROGRAM,
        "overcloud-factory-controllers": "it reads the adapters; a deployed node is neither changed nor rebooted",
        "overcloud-factory-computes": "it reads the adapters; a deployed node is neither changed nor rebooted",
    },
}
"""Resources that an earlier version does not have, each with the reason and its effect on a deployed rack."""

REMOVED: Mapping[str, Mapping[str, str]] = {
    "0.1.0": {
        f"overcloud-ml2-{index}": "the deployment writes these options; the delete removes the block that 0.1.0 wrote, "
        "which the deployment has overwritten before"
        for index in range(3)
    }
}
"""Resources that this version no longer has, each with the reason and what its delete does on a deployed rack.

The state contains the delete's command and connection; it runs at the end of `up`."""

ML2_CONF = "/var/lib/config-data/puppet-generated/neutron/etc/neutron/plugins/ml2/ml2_conf.ini"

RECONNECTED = {"connection", "logging"}
"""Inputs of a remote command that may change in any stack, though the command then runs again.

Stacks of 0.1.0 hold an empty `agentSocketPath`, which pulumi-command takes for a path (docs/command-plugin.md): the
first `up` corrects it. That repeats no work: a job is known by its command and its standard input, and finds its
finished run; the other steps are idempotent."""

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""How the engine writes a value that a preview cannot know: the output of a command that will run again."""


@dataclass(frozen=True)
class Step:
    """What a preview would do to one resource."""

    operation: str
    urn: str
    changed: tuple[str, ...]
    """The changed properties; not those that change only if a command before prints something else, and not
    `install -T`, which does the same but for a directory at the file's path."""

    added: tuple[str, ...]
    """The inputs that an object of the cloud did not have before."""

    @classmethod
    def of(cls, step: Mapping[str, Any]) -> "Step":
        inputs, before = (step.get(state, {}).get("inputs", {}) for state in ("newState", "oldState"))
        changed = {re.split(r"[.\[]", path)[0] for path in step.get("detailedDiff") or step.get("diffReasons") or ()}
        unknown = {name for name in changed if UNKNOWN in json.dumps(inputs.get(name))}
        safer = {name for name in changed if str(inputs.get(name)).replace(" -T ", " ") == before.get(name)}
        added = inputs.keys() - before.keys() if "$openstack:" in step["urn"] else ()
        return cls(step["op"], step["urn"], tuple(sorted(changed - unknown - safer)), tuple(sorted(added)))

    @property
    def reconnects(self) -> bool:
        remote = self.urn.split("::")[2].endswith("command:remote:Command")
        return remote and {*self.changed} <= RECONNECTED

    @property
    def name(self) -> str:
        return self.urn.rpartition("::")[2]


class Stack:
    """A project with the program of this checkout and the state of an earlier version."""

    def __init__(self, folder: Path, version: str) -> None:
        self._folder = folder
        self._env = {"PULUMI_BACKEND_URL": (folder / "backend").as_uri()}
        self.state: Any = json.loads(
            (STATES / version / STATE_FILE).read_text().replace(f"$HOME/{IMAGE_CACHE}", str(Path.home() / IMAGE_CACHE))
        )
        for name in PROGRAM:
            (folder / name).symlink_to(PROJECT / name)
        (folder / STACK_FILE).write_text((STATES / version / STACK_FILE).read_text())
        (folder / "backend").mkdir()
        for path, name in BESIDE.items():
            (folder / ".lab" / path).parent.mkdir(parents=True)
            if (STATES / version / name).exists():
                (folder / ".lab" / path).write_text((STATES / version / name).read_text())
        (folder / ".lab/hosts/id_ed25519").write_text(ARMOURED)
        self._pulumi("stack", "init", "dev", "--secrets-provider=passphrase")

    def _pulumi(self, *arguments: str) -> str:
        return pulumi(*arguments, cwd=self._folder, **self._env)

    def preview(self) -> list[Step]:
        """Import the state and return what an `up` of the program would do: a step per resource that it touches."""
        (self._folder / STATE_FILE).write_text(json.dumps(self.state))
        self._pulumi("stack", "import", f"--file={STATE_FILE}", "--stack=dev")
        steps = json.loads(self._pulumi("preview", "--json", "--stack=dev"))["steps"]
        return [Step.of(step) for step in steps]


@pytest.fixture
def stack(tmp_path: Path, request: pytest.FixtureRequest) -> Stack:
    return Stack(tmp_path, request.param)


@pytest.mark.parametrize(("stack", "version"), [(version, version) for version in VERSIONS], indirect=["stack"])
def test_no_resource_is_replaced_and_no_long_job_runs_again(stack: Stack, version: str) -> None:
    steps = stack.preview()
    others = {
        operation: {s.name for s in steps if s.operation == operation} for operation in {s.operation for s in steps}
    }
    assert others.keys() <= {"same", "update", "create", "delete"}, others
    assert others.get("create", set()) == ADDED[version].keys()
    assert others.get("delete", set()) == REMOVED[version].keys()
    updates = [step for step in steps if step.operation == "update" and step.changed]
    updated = {step.name: step.changed for step in updates if not step.reconnects}
    expected = {**UPDATES[version], **DEPLOYS_AGAIN[version]}
    assert not [n for n in updated if LONG_JOBS.fullmatch(n) and n not in DEPLOYS_AGAIN[version]], updated
    assert updated.keys() == expected.keys(), updated


@pytest.mark.parametrize(("stack", "version"), [(version, version) for version in VERSIONS], indirect=["stack"])
def test_the_objects_of_the_cloud_get_their_mark_and_nothing_else(stack: Stack, version: str) -> None:
    steps = [step for step in stack.preview() if step.operation == "update"]
    assert {step.name: step.added for step in steps if step.added} == {
        name: (field,) for field, names in MARKED[version].items() for name in names
    }


@pytest.mark.parametrize("stack", ["0.1.0"], indirect=True)
def test_a_changed_urn_is_found(stack: Stack) -> None:
    """The test above fails if a name or a type changes: here, the state has another name."""
    before = "Undercloud$command:remote:Command::undercloud-install"
    text = json.dumps(stack.state)
    assert before in text
    stack.state = json.loads(text.replace(before, before.replace("-install", "-installation")))
    operations = {step.name: step.operation for step in stack.preview()}
    assert operations["undercloud-install"] == "create"
    assert operations["undercloud-installation"] == "delete"


@pytest.mark.parametrize(("stack", "version"), [(version, version) for version in VERSIONS], indirect=["stack"])
def test_deleting_the_edit_of_ml2_conf_leaves_the_deployed_file_as_it_is(
    stack: Stack, version: str, tmp_path: Path
) -> None:
    """See `REMOVED`."""
    resources = {resource["urn"].rpartition("::")[2]: resource for resource in stack.state["deployment"]["resources"]}
    deployed = "[sdn]\nphysical_networks=ibnet\n[mlnx]\nclient_id_hardware=True\n"
    file = tmp_path / "ml2_conf.ini"
    for name in REMOVED[version]:
        command = resources[name]["inputs"]["delete"]
        assert "podman" not in command, "Neutron is not restarted"
        here = command.removeprefix("sudo ").replace(ML2_CONF, str(file))
        for before in (deployed, deployed + "# rack: begin\n[sdn]\nphysical_networks = ibnet\n# rack: end\n"):
            file.write_text(before)
            subprocess.run(["bash", "-c", here], check=True)
            assert file.read_text() == deployed
