"""An interrupted destroy: `engine/remaining.py` and `make destroy`."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.remaining import remaining

from .conftest import Project, Server

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]

ROOT = Path(__file__).resolve().parents[2]
CLAIM = "The resources in the stack have been deleted"
PROGRAM = """
import json
from pathlib import Path

import pulumi
from pulumi_command import remote

connection = remote.ConnectionArgs(**json.loads(Path("spec.json").read_text()))
first = remote.Command("first", connection=connection, create="true", delete="true")
after = pulumi.ResourceOptions(depends_on=[first])
remote.Command("second", connection=connection, create="true", delete="sleep 3", opts=after)
"""


def test_a_destroy_that_was_interrupted_is_not_complete(
    project: Callable[..., Project], sshd: Callable[[], Server]
) -> None:
    """Pulumi's exit status says otherwise. If the first assertions fail, Pulumi has changed: delete the workaround."""
    made = project(__main__=PROGRAM)
    made.up(sshd().connection)
    destroying = made.start("destroy", "--yes", "--skip-preview")
    assert destroying.stdout
    for line in destroying.stdout:
        if "second deleting" in line:
            destroying.send_signal(signal.SIGINT)
            break
    said, _ = destroying.communicate()
    assert destroying.returncode == 0
    assert CLAIM in said
    assert looked(made) == (1, "destroy of dev is not complete: 1 resource remains; run it again\n")
    made.run("destroy", "--yes", "--skip-preview")
    assert looked(made) == (0, "")


def looked(made: Project) -> tuple[int, str]:
    command = [sys.executable, "-m", "engine.remaining", "dev"]
    environment = {**made.env, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=made.folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def test_only_custom_resources_count() -> None:
    provider = {"type": "pulumi:providers:command", "custom": True}
    group = {"type": "rack:tenant:Tenant"}
    assert remaining({"deployment": {"resources": [{"type": "pulumi:pulumi:Stack"}, group, provider]}}) == 0
    assert remaining({"deployment": {"resources": [provider, {"type": "ufm:index:PKey", "custom": True}]}}) == 1
    assert remaining({"deployment": {}}) == 0


def test_make_destroy_looks_at_what_remains() -> None:
    command = ["make", "--dry-run", "--assume-old=engine", "--assume-old=stack", "destroy"]
    recipe = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(
        r"trap : INT; .*pulumi destroy .*; done=\$\?; \S+python -m engine\.remaining dev && \(exit \$done\)", recipe
    )
