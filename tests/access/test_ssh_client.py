"""Options of OpenSSH's `ssh` for the operator's settings."""

import shlex
from pathlib import Path

from access.ssh_client import options
from rack.plan import Plan
from tests.access.test_ssh import BASTION


def test_images_are_fetched_through_the_bastion(plan: Plan) -> None:
    option, value = shlex.split(options(plan.site.ssh.model_copy(update={"proxy": BASTION})))[-2:]
    assert option == "-o"
    assert value.startswith("ProxyCommand=ssh -p 2200 ")
    assert value.endswith(" -W %h:%p jump@192.0.2.9")
    assert "StrictHostKeyChecking=yes" in value


def test_images_are_fetched_with_the_agent_s_key(plan: Plan) -> None:
    assert " -i " not in options(plan.site.ssh.model_copy(update={"private_key_file": None}))


def test_known_hosts_file_with_a_blank_in_its_path_is_one_file(plan: Plan) -> None:
    words = shlex.split(options(plan.site.ssh.model_copy(update={"known_hosts_file": Path("/a b/known")})))
    assert 'UserKnownHostsFile="/a b/known"' in words
