"""Logins: nodes accept only user stack's key for the deployment's user; users other than root need sudo."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.hosts.keys import keygen, public_key
from lab.hosts.kinds.node import NODE_USER
from tests.lab.hosts.conftest import MARKS, Lab

pytestmark = MARKS
NODE = "compute-1"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Yield a rack with one deployed node."""
    lab = Lab(tmp_path_factory.mktemp("lab"))
    keygen(lab.folder / "stack", "stack", "rsa")
    lab.rack.nodes[NODE].provision("node", NODE_USER, public_key(lab.folder / "stack"))
    yield lab
    lab.stop()


def login(lab: Lab, user: str, key: str, command: str) -> subprocess.CompletedProcess[str]:
    where = ["-p", str(lab.plan.site.ssh.node_port), f"{user}@{lab.address(NODE)}"]
    options = ["-F", "none", "-i", str(lab.folder / key), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
    check = ["-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={lab.folder / 'seen'}"]
    return subprocess.run(["ssh", *options, *check, *where, command], capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize(
    ("user", "key"),
    [("tripleo-admin", "id_ed25519"), ("root", "stack"), ("root", "id_ed25519"), ("heat-admin", "stack")],
)
def test_a_node_refuses_every_other_user_and_key(deployed: Lab, user: str, key: str) -> None:
    done = login(deployed, user, key, "true")
    assert done.returncode == 255
    assert "Permission denied (publickey)" in done.stderr


def test_a_node_accepts_stack_s_key_for_a_user_that_needs_sudo(deployed: Lab) -> None:
    done = login(deployed, "tripleo-admin", "stack", "id -un; touch /etc/x; sudo -n id -un")
    assert done.stdout.split() == ["tripleo-admin", "root"]
    assert "Permission denied" in done.stderr


def test_a_user_other_than_root_needs_sudo(tmp_path: Path) -> None:
    lab = Lab(tmp_path, user="ops")
    try:
        lab.rack.start()
        for host in ("undercloud", "ufm"):
            for user, output in (("ops", "ops\nroot\n"), ("root", "")):
                where = ["-p", str(lab.plan.site.ssh.port), f"{user}@{lab.address(host)}"]
                argv = ["ssh", *lab.options(host), *where, "id -un; sudo -n id -un"]
                done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
                assert done.stdout == output, done.stderr
    finally:
        lab.stop()
