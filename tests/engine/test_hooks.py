"""The hooks that continue after an outage, on the real engine and the real OpenStack plugin, with a small cloud."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.build import environment
from lab.process import until
from tests.engine.small_cloud import PASSWORD, REGION, USER, Fault, SmallCloud, small_cloud

ROOT = Path(__file__).parents[2]
NETWORKS = "/neutron/v2.0/networks"
DOWN = "neutron answers with status 503; waiting"

PROGRAM = """
import json
import pulumi
import pulumi_openstack as openstack
from cloud import outages
from cloud.client import Login

config = pulumi.Config()
outages.FIRST_PAUSE, outages.LIMIT = 0.05, config.require_int("limit")
login = Login(config.require("url"), USER, PASSWORD, "admin", "Default", "Default", REGION)
hooks = outages.Outages(pulumi.Output.from_input(login), pause=0.05).binding()
cloud = openstack.Provider("cloud", auth_url=login.auth_url, user_name=login.user, password=login.password,
    tenant_name=login.project, user_domain_name="Default", project_domain_name="Default", region=REGION)
for name in config.require_object("networks"):
    openstack.networking.Network(name, name=name, description=config.get("mark") or f"rack 0a1b2c3d {name}",
        admin_state_up=config.get_bool("up") is not False, opts=pulumi.ResourceOptions(provider=cloud, hooks=hooks))
"""

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]


class Stack:
    """A stack with networks in a small cloud."""

    def __init__(self, folder: Path, cloud: SmallCloud) -> None:
        self.folder, self.cloud = folder, cloud
        (folder / "state").mkdir()
        constants = f"USER, PASSWORD, REGION = {(USER, PASSWORD, REGION)!r}\n"
        (folder / "__main__.py").write_text(constants + PROGRAM)
        (folder / "Pulumi.yaml").write_text("name: small\nruntime: python\n")
        self.ok("stack", "init", "test")
        self.ok("config", "set", "url", f"{cloud.url}/v3")
        self.configure(limit=60, networks=["ib"])

    def configure(self, **values: Any) -> None:
        for key, value in values.items():
            self.ok("config", "set", key, value if isinstance(value, str) else json.dumps(value))

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        own = {"PULUMI_BACKEND_URL": (self.folder / "state").as_uri(), "PULUMI_CONFIG_PASSPHRASE": ""}
        env = {**os.environ, **environment(), **own, "PYTHONPATH": str(ROOT)}
        command = ["pulumi", "--non-interactive", "--color", "never", *arguments]
        return subprocess.Popen(
            command, cwd=self.folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run pulumi and return its exit status and its output."""
        process = self.start(*arguments)
        output, _ = process.communicate()
        return process.returncode, output

    def ok(self, *arguments: str) -> str:
        status, output = self.run(*arguments)
        assert status == 0, output
        return output

    def fails(self, *arguments: str) -> str:
        status, output = self.run(*arguments)
        assert status != 0, output
        return output

    def up(self) -> str:
        return self.ok("up", "--yes", "--skip-preview")

    def unchanged(self) -> None:
        self.ok("up", "--yes", "--skip-preview", "--expect-no-changes")

    @property
    def names(self) -> list[str]:
        """The names of the cloud's networks; a duplicate is there twice."""
        return sorted(network["name"] for network in self.cloud.networks.values())


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with small_cloud() as cloud:
        yield Stack(tmp_path, cloud)


def test_a_create_whose_answer_is_lost_leaves_one_network(stack: Stack) -> None:
    stack.cloud.fail(Fault("POST", NETWORKS, "lost"), Fault("GET", "/neutron/$", "503", 3))
    output = stack.up()
    assert stack.names == ["ib"]
    assert stack.cloud.count("POST", NETWORKS) == 2
    assert output.count(DOWN) == 2, "an outage is reported once: while it lasts, and at the end with all diagnostics"
    assert "ib: the failed create has made" in output
    stack.unchanged()


def test_a_create_whose_object_cannot_be_read_leaves_one_network(stack: Stack) -> None:
    """The provider has the ID, and the engine would repeat the create all the same (pulumi/pulumi#24683)."""
    stack.cloud.fail(Fault("GET", NETWORKS + "/", "503"))
    stack.up()
    assert stack.names == ["ib"]
    assert stack.cloud.count("POST", NETWORKS) == 2
    stack.up()  # The engine keeps the error of the failed attempt, and lets the provider update the network once.
    stack.unchanged()


def test_a_service_that_fails_for_a_while_does_not_fail_the_up(stack: Stack) -> None:
    stack.cloud.fail(Fault("POST", NETWORKS, "503", 2), Fault("GET", "/neutron/$", "503", 2))
    assert "ib: neutron answers with status 503; waiting, at most " in stack.up()
    assert stack.names == ["ib"]
    assert stack.cloud.count("POST", NETWORKS) == 3
    stack.unchanged()


def test_updates_and_deletes_continue(stack: Stack) -> None:
    stack.configure(networks=["ib", "eth"])
    stack.up()
    stack.configure(networks=["ib"], up=False)
    stack.cloud.fail(Fault("PUT", NETWORKS, "503"), Fault("DELETE", NETWORKS, "lost"))
    stack.up()
    assert stack.names == ["ib"]
    assert [network["admin_state_up"] for network in stack.cloud.networks.values()] == [False]
    stack.up()  # as above
    stack.unchanged()


def test_the_first_create_waits_for_keystone(stack: Stack) -> None:
    """The provider would keep the failure of its first login."""
    stack.cloud.fail(Fault("POST", "/v3/auth/tokens", "503", 4))
    output = stack.up()
    assert "ib: keystone answers with status 503; waiting" in output
    assert stack.cloud.count("POST", NETWORKS) == 1


def test_a_refusal_fails_at_once_and_is_reported_once(stack: Stack) -> None:
    stack.cloud.fail(Fault("POST", NETWORKS, "409", 9))
    output = stack.fails("up", "--yes", "--skip-preview")
    assert stack.cloud.count("POST", NETWORKS) == 1
    assert output.count("but got 409 instead") == 1, output


def test_an_outage_longer_than_the_limit_fails_with_advice(stack: Stack) -> None:
    stack.configure(limit=1)
    stack.cloud.fail(Fault("POST", NETWORKS, "503", 99), Fault("GET", "/neutron/$", "503", 999))
    output = stack.fails("up", "--yes", "--skip-preview")
    assert "neutron answers with status 503, for 1 s" in output
    assert "run `pulumi up` again" in output
    stack.cloud.fail()
    stack.up()
    assert stack.names == ["ib"]


def test_an_object_without_a_mark_is_not_created_again(stack: Stack) -> None:
    stack.configure(mark="a text of the user")
    stack.cloud.fail(Fault("POST", NETWORKS, "lost"))
    output = stack.fails("up", "--yes", "--skip-preview")
    assert stack.cloud.count("POST", NETWORKS) == 1
    assert "ib: may exist, and no mark identifies it" in output


def test_a_destroy_without_the_program_reports_the_cloud_s_error(stack: Stack) -> None:
    """The hooks are in the program, which `pulumi destroy` does not run."""
    stack.up()
    stack.cloud.fail(Fault("DELETE", NETWORKS, "503", 9))
    output = stack.fails("destroy", "--yes", "--skip-preview")
    assert "but got 503 instead" in output
    stack.cloud.fail()
    stack.ok("destroy", "--yes", "--skip-preview")
    assert stack.names == []


def test_a_destroy_with_the_program_continues(stack: Stack) -> None:
    stack.up()
    stack.cloud.fail(Fault("DELETE", NETWORKS, "503"))
    stack.ok("destroy", "--yes", "--skip-preview", "--run-program")
    assert stack.names == []


def test_the_second_interrupt_ends_the_wait(stack: Stack) -> None:
    """The engine does not tell the program about the first one."""
    stack.cloud.fail(Fault("POST", NETWORKS, "503"), Fault("GET", "/neutron/$", "503", 9999))
    process = stack.start("up", "--yes", "--skip-preview")
    assert until(lambda: stack.cloud.count("GET", "/neutron/$") > 3, 120)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(1)  # The engine takes two signals at once for one.
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0, output
    stack.cloud.fail()
    stack.ok("cancel", "--yes")
    stack.up()
    assert stack.names == ["ib"]
