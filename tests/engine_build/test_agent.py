"""A key with a passphrase and no SSH agent fails before images are built, on the real engine: `access/keys.py`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Project

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]

PROGRAM = f"""
import json
import sys
from pathlib import Path

sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})
import pulumi
from pulumi_command import local

from access.keys import agent_hooks

spec = json.loads(Path("spec.json").read_text())
fetching = pulumi.ResourceOptions(hooks=agent_hooks("~/.ssh/id_rack", spec["needed"]))
checked = local.Command("check", create="true", opts=pulumi.ResourceOptions.merge(pulumi.ResourceOptions(), fetching))
built = local.Command("build", create="touch built", opts=pulumi.ResourceOptions(depends_on=[checked]))
local.Command("fetch", create="true", triggers=[spec["image"]],
              opts=pulumi.ResourceOptions.merge(pulumi.ResourceOptions(depends_on=[built]), fetching))
"""
ERROR = "~/.ssh/id_rack has a passphrase, and SSH_AUTH_SOCK names no SSH agent"


@pytest.fixture
def made(project: Callable[..., Project]) -> Project:
    return project(__main__=PROGRAM)


def test_a_key_that_ssh_cannot_use_fails_in_preview_and_up_before_the_build(made: Project) -> None:
    spec = {"needed": True, "image": 1}
    (made.folder / "spec.json").write_text(json.dumps(spec))
    assert ERROR in made.run("preview", fails=True).text
    said = made.up(spec, fails=True).text
    assert ERROR in said
    assert "ssh-add ~/.ssh/id_rack" in said
    assert not (made.folder / "built").exists()


def test_an_image_that_is_there_needs_no_agent_but_another_one_does(made: Project) -> None:
    made.up({"needed": False, "image": 1})
    made.up({"needed": True, "image": 1})
    assert ERROR in made.up({"needed": True, "image": 2}, fails=True).text
