"""A cloud whose controllers are gone: `rack forget` drops it, and `pulumi destroy` deletes the rest."""

import subprocess
import sys

import pytest
import requests

from lab import addresses
from lab.cloud import deployment, processes
from tests.engine.conftest import PROJECT, Pulumi
from tests.engine.test_rack import ADMIN, PLAN, files_of_ours

pytestmark = [pytest.mark.lab, pytest.mark.engine, pytest.mark.timeout(1800)]


def forget(stack: Pulumi) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "rack", "forget", "--stack", "dev", "--yes"]
    return subprocess.run(command, cwd=PROJECT, env=stack.env, capture_output=True, text=True, check=False)


def partitions() -> set[str]:
    """Return the PKeys that UFM has."""
    return set(requests.get(f"{ADMIN}/state", timeout=10).json()["pkeys"])


def vanish() -> None:
    """Stop everything that answers for the cloud."""
    processes.stop_all([*processes.base(), *deployment.deployment_processes()])


def test_a_vanished_cloud_is_forgotten_and_the_rest_is_destroyed(pulumi: Pulumi) -> None:
    pulumi("up", "--yes", "--skip-preview")
    before = pulumi.json("stack", "export")["deployment"]["resources"]
    done = forget(pulumi)
    assert done.returncode == 1
    assert "exists; `pulumi destroy` deletes its resources" in done.stderr
    assert pulumi.json("stack", "export")["deployment"]["resources"] == before
    assert PLAN.tenant_pkey in partitions()
    vanish()
    done = forget(pulumi)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"delete   PKey {PLAN.tenant_pkey} at UFM" in done.stdout
    assert "forget   tenant-vm1_gpu (openstack:compute/instance:Instance)" in done.stdout
    assert PLAN.tenant_pkey not in partitions()
    assert {control.pkey for control in PLAN.control_pkeys} <= partitions()
    pulumi("destroy", "--yes", "--skip-preview", "--refresh=false")
    assert "resources" not in pulumi.json("stack", "export")["deployment"]
    assert files_of_ours() == set()
    assert not (addresses.STATE / "hosts/undercloud/root/var/lib/rack").exists()
