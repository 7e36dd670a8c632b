"""`rack recover` on the real engine and the lab's OpenStack: objects that exist and are not recorded."""

import copy
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cloud.client import CloudApi, wait
from cloud.kinds import BY_TYPE, KINDS, CloudObject
from providers.ufm.token import REQUESTED
from recovery.cloud import api_of
from recovery.state import State
from recovery.tokens import client_of
from tests.engine.conftest import PROJECT, Pulumi

pytestmark = [pytest.mark.lab, pytest.mark.engine, pytest.mark.timeout(1800)]

ASSOCIATION = "openstack:networking/floatingIpAssociate:FloatingIpAssociate"
IMAGE = "openstack:images/image:Image"
KEYPAIR = "openstack:compute/keypair:Keypair"
SERVER = "openstack:compute/instance:Instance"


AT_THE_END = ("bandwidth-ib-write-bw", "protection")
"""Resources that depend on all others, besides the guards of the ownership."""


def cloud_of(state: State) -> CloudApi:
    """Return a client that is logged in."""
    api = api_of(state)
    assert api
    api.log_in()
    return api


class Stack:
    """The dev stack, its cloud, and its state as a file."""

    def __init__(self, pulumi: Pulumi) -> None:
        self.pulumi = pulumi
        self.recovered: list[str] = []
        """What the recovery of the killed `up` printed."""

    @property
    def state(self) -> State:
        return State(self.pulumi.json("stack", "export", "--show-secrets"))

    @property
    def cloud(self) -> CloudApi:
        return cloud_of(self.state)

    def login_if_deployed(self) -> Iterator[CloudApi]:
        """Yield the cloud once an `up` that still runs has begun to create the tenant's objects."""
        try:
            state = self.state
        except subprocess.CalledProcessError:
            return  # Read while the engine was writing it.
        if any(r.type == KEYPAIR for r in (*state.resources, *(op.resource for op in state.operations))):
            yield cloud_of(state)

    def objects(self, *types: str) -> list[CloudObject]:
        cloud = self.cloud
        kinds = [BY_TYPE[type_] for type_ in types] or KINDS
        return [found for kind in kinds for found in kind.objects(cloud)]

    def ids(self) -> dict[str, set[str]]:
        """Return the IDs of all objects of the cloud, by type."""
        ids: dict[str, set[str]] = {kind.type: set() for kind in KINDS}
        for found in self.objects():
            ids[found.kind.type].add(found.id)
        return ids

    def edit(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the state in its file, as `pulumi stack import` would drop pending operations."""
        (file,) = (PROJECT / ".engine/state/.pulumi/stacks").rglob("dev.json")
        checkpoint = json.loads(file.read_text())
        change(checkpoint["checkpoint"]["latest"])
        file.write_text(json.dumps(checkpoint))

    def interrupt(self, *operations: Mapping[str, Any]) -> None:
        """Add pending operations to the state."""
        self.edit(lambda latest: latest.setdefault("pending_operations", []).extend(operations))

    def forget(self, names: Sequence[str], *, pending: bool = True) -> None:
        """Remove resources from the state. `pending`: their creation was interrupted."""

        def change(latest: dict[str, Any]) -> None:
            gone = [r for r in latest["resources"] if name_of(r) in names]
            latest["resources"] = [r for r in latest["resources"] if name_of(r) not in names]
            if pending:
                latest.setdefault("pending_operations", []).extend(map(creating, gone))

        self.edit(change)

    def recover(self, *arguments: str, status: int = 0) -> list[str]:
        """Run `rack recover` and return the lines that it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "rack", "recover", "--stack", "dev", *arguments],
            cwd=PROJECT,
            env=self.pulumi.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout.splitlines()

    def up(self, *arguments: str) -> str:
        return self.pulumi("up", "--yes", "--skip-preview", *arguments)


def name_of(resource: Mapping[str, Any]) -> str:
    return str(resource["urn"]).rpartition("::")[2]


def creating(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return the pending operation of a resource whose creation was interrupted, as the engine writes it."""
    kept = {key: value for key, value in resource.items() if key not in ("id", "outputs", "created", "modified")}
    return {"type": "creating", "resource": copy.deepcopy(kept)}


def kill_session(leader: int) -> None:
    """Kill every process of a session: Pulumi, its language host and its plugins."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader:
            os.kill(int(stat.parent.name), signal.SIGKILL)


@pytest.fixture(scope="module")
def stack(pulumi: Pulumi) -> Iterator[Stack]:
    yield Stack(pulumi)
    pulumi("destroy", "--yes", "--skip-preview", "--refresh=false")


@pytest.fixture(scope="module")
def killed(stack: Stack) -> Stack:
    """Kill the first `up` while nova builds a server: every process at once, with SIGKILL."""
    command = ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive"]
    cloud: list[CloudApi] = []
    with subprocess.Popen(
        command, cwd=PROJECT, env=stack.pulumi.env, start_new_session=True, stdout=subprocess.DEVNULL
    ) as up:

        def built() -> bool:
            assert up.poll() is None, "the `up` has ended"
            return any(found.mark for found in BY_TYPE[SERVER].objects(cloud[0]))

        def deploys() -> bool:
            assert up.poll() is None, "the `up` has ended"
            cloud.extend(stack.login_if_deployed())
            return bool(cloud)

        wait(deploys, "no object of the tenant is created", (1.0, 3.0), limit=1200)
        wait(built, "no server is built", (0.1, 0.3))
        kill_session(up.pid)
    return stack


@pytest.fixture(scope="module")
def deployed(killed: Stack) -> Stack:
    """Recover the killed `up` and finish it."""
    killed.recovered = killed.recover("--yes")
    killed.up()
    return killed


def test_a_killed_up_is_recovered_and_finished_without_a_duplicate(deployed: Stack) -> None:
    lines = deployed.recovered
    assert any(line.startswith("import   server vm") for line in lines), lines
    assert lines[-1] == "done; run `pulumi up`"
    assert sorted(found.raw["name"] for found in deployed.objects(SERVER)) == ["vm1_gpu", "vm2_gpu"]
    assert len(deployed.objects(IMAGE)) == 2
    deployed.up("--expect-no-changes")
    assert deployed.recover() == ["dev: no interrupted operation, and no unrecorded object; nothing to recover"]


def test_every_type_of_object_is_imported_and_the_next_up_changes_none(deployed: Stack) -> None:
    """The creation of each object was interrupted, as by one kill after another."""
    before = deployed.ids()
    types = {kind.type for kind in KINDS} - {KEYPAIR}
    names = [r.name for r in deployed.state.resources if r.type in types]
    deployed.forget([*after_the_tenant(deployed)], pending=False)
    deployed.forget(names)
    lines = deployed.recover("--yes")
    assert len([line for line in lines if line.startswith("import")]) == len(names) == 15
    result = deployed.up()
    assert deployed.ids() == before
    assert "updated" not in result
    assert "replaced" not in result


def test_a_state_that_lacks_all_objects_and_operations_is_completed(deployed: Stack) -> None:
    """As an older backup of the state does: the inputs come from previews, one level after another."""
    before = deployed.ids()
    types = {kind.type for kind in KINDS} - {KEYPAIR}
    names = [r.name for r in deployed.state.resources if r.type in types]
    deployed.forget([*after_the_tenant(deployed), *names], pending=False)
    lines = deployed.recover("--yes")
    assert len([line for line in lines if line.startswith("import")]) == len(names) == 15
    result = deployed.up()
    assert deployed.ids() == before
    assert "updated" not in result
    assert "replaced" not in result


def after_the_tenant(stack: Stack) -> Iterator[str]:
    """Yield the resources that depend on objects of the cloud and are none: the next `up` creates them again."""
    for resource in stack.state.resources:
        if resource.name in ("tenant-pkey", *AT_THE_END) or resource.name.startswith("owner-guard-"):
            yield resource.name


def test_duplicates_and_images_without_content_are_deleted(deployed: Stack) -> None:
    before, cloud = deployed.ids(), deployed.cloud
    network = next(r for r in deployed.state.resources if r.name == "tenant-network").id
    (image,) = (r for r in deployed.state.resources if r.name == "images-centos8-stream")
    mark = f"rack {deployed.state.owner_id} "
    port = {"network_id": network, "name": "direct1", "description": f"{mark}tenant-direct1"}
    cloud.call("POST", "network", "/ports", {"port": port})
    queued = {"name": "centos8-stream", "container_format": "bare", "disk_format": "qcow2"}
    cloud.call("POST", "image", "/images", {**queued, "rack_owner": f"{mark}images-centos8-stream"})
    deployed.interrupt(creating(image.raw))
    lines = deployed.recover("--yes")
    assert [line.split()[:2] for line in lines[:-1]] == [["delete", "port"], ["delete", "image"]]
    assert deployed.ids() == before


def test_an_unanswered_token_is_revoked(deployed: Stack) -> None:
    (token,) = (r for r in deployed.state.resources if r.name == "ufm-token")
    ufm = client_of(deployed.state)
    assert ufm
    before = {each["access_token"] for each in ufm.tokens()}
    assert isinstance(token.inputs[REQUESTED], int | float), "the plugin adds the time of the request"
    operation = creating(token.raw)
    operation["resource"]["inputs"][REQUESTED] = int(time.time())
    lost = ufm.create_token()["access_token"]
    deployed.interrupt(operation)
    lines = deployed.recover("--yes")
    assert lines[0].startswith("revoke   access token of admin at UFM, issued 20")
    assert lost not in "".join(lines)
    assert {each["access_token"] for each in ufm.tokens()} == before
    ufm.close()


def test_a_key_pair_is_matched_by_its_name_and_its_interrupted_deletion_is_read_again(deployed: Stack) -> None:
    (pair,) = (r for r in deployed.state.resources if r.type == KEYPAIR)
    public = next(found.raw["public_key"] for found in deployed.objects(KEYPAIR))
    deployed.cloud.call("POST", "compute", "/os-keypairs", {"keypair": {"name": "own", "public_key": public}})
    deployed.cloud.call("POST", "compute", "/os-keypairs", {"keypair": {"name": "generated"}})
    for name, inputs in (("own", {"publicKey": public}), ("generated", {})):
        operation = creating(pair.raw)
        operation["resource"]["urn"] = pair.urn.replace("tenant-key-pair", f"tenant-{name}")
        operation["resource"]["inputs"] = {"name": name, **inputs}
        deployed.interrupt(operation)
    assert [line.split()[:4] for line in deployed.recover("--yes")[:-1]] == [
        ["delete", "key", "pair", "(generated)"],
        ["import", "key", "pair", "(own)"],
    ]
    assert {found.id for found in deployed.objects(KEYPAIR)} == {"rack", "own"}
    (own,) = (r for r in deployed.state.resources if r.name == "tenant-own")
    assert own.id == "own"
    deployed.cloud.call("DELETE", "compute", "/os-keypairs/own")
    deployed.interrupt({"type": "deleting", "resource": own.raw})
    assert deployed.recover("--yes")[0].startswith("refresh  tenant-own, interrupted while deleting")
    assert not [r for r in deployed.state.resources if r.name == "tenant-own"]


def test_discard_deletes_the_object_and_the_next_up_creates_another(deployed: Stack) -> None:
    deployed.forget([name for name in after_the_tenant(deployed) if name != "tenant-pkey"], pending=False)
    deployed.forget(["external-vm1_gpu-associate"])
    assert deployed.recover("--discard", "--yes")[0].startswith("delete   association of floating IP 10.0.0.151")
    assert not deployed.objects(ASSOCIATION)
    deployed.up()
    assert len(deployed.objects(ASSOCIATION)) == 1


def test_nothing_is_written_without_a_confirmation(deployed: Stack) -> None:
    (port,) = (r for r in deployed.state.resources if r.name == "tenant-direct1")
    deployed.interrupt(creating(port.raw))
    assert deployed.recover(status=1)[0].startswith("clear    tenant-direct1, interrupted while creating")
    assert len(deployed.state.operations) == 1
    deployed.recover("--yes")
    assert not deployed.state.operations
