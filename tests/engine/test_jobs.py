"""Undercloud and overcloud on the real engine and a lab of their own, with a killed `pulumi` and a failed deployment.

The next `up` resumes, and the cloud is created only once.
"""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from access.ssh import RUNNER
from engine.build import environment
from lab.hosts import step_faults, templates
from lab.process import until
from onhost.undercloud.job_runs import Job, Run
from tests.engine.conftest import PROJECT
from tests.lab.hosts.conftest import Lab
from tests.lab.hosts.fakes import FakeCloud

pytestmark = [pytest.mark.lab, pytest.mark.engine, pytest.mark.timeout(600)]

DEPLOY = "overcloud-deploy"
PROGRAM = """
from pathlib import Path
from types import SimpleNamespace

import pulumi
from components import Overcloud, Undercloud
from access.ssh import Operator, as_stack
from rack.plan import Plan
from tests.lab.hosts.conftest import dev_site

config = pulumi.Config()
folder = Path(config.require("folder"))
port = config.require_int("port")
site = dev_site(port=port, node_port=port, private_key_file=folder / "id_ed25519",
                known_hosts_file=folder / "known_hosts")
plan = Plan(site.model_copy(update={"ufm": site.ufm.model_copy(update={"host": None})}))
operator = Operator.load(plan.site)
undercloud = Undercloud("undercloud", plan, operator, [], pulumi.Output.secret("lab-ipmi"))
provided = undercloud.host.run("provide", as_stack(
    ". ~/stackrc", "openstack overcloud node introspect --all-manageable --provide >&2"),
    opts=pulumi.ResourceOptions(depends_on=undercloud.ready))
introspection = SimpleNamespace(with_ports=lambda make: make(plan), for_deployment=lambda make: make(plan))
gate = SimpleNamespace(ready=[provided])
overcloud = Overcloud("overcloud", plan, operator, undercloud, introspection, gate, "token")
pulumi.export("endpoint", overcloud.endpoint)
"""


class CountingCloud(FakeCloud):
    made = 0

    def deploy(self, *arguments: object) -> None:
        self.made += 1
        super().deploy(*arguments)  # type: ignore[arg-type]

    def overcloudrc(self) -> str:
        return super().overcloudrc() + "export OS_AUTH_URL=http://127.0.0.1:1/v3\n"


class Stack:
    """A separate project, and the lab whose undercloud it deploys."""

    def __init__(self, folder: Path) -> None:
        self.lab = Lab(folder / "lab")
        self.cloud = CountingCloud()
        self.lab.rack.backends.cloud = self.cloud
        templates.fetch(print)
        self._folder = folder / "project"
        (self._folder / "state").mkdir(parents=True)
        (self._folder / "Pulumi.yaml").write_text("name: rack\nruntime: python\n")
        (self._folder / "__main__.py").write_text(PROGRAM)
        self._env = {
            **os.environ,
            **environment(),
            "PATH": f"{PROJECT}/.venv/bin:{environment()['PATH']}",
            "PYTHONPATH": str(PROJECT),
            "PULUMI_BACKEND_URL": f"file://{self._folder}/state",
            "PULUMI_CONFIG_PASSPHRASE": "x",
            "PULUMI_SKIP_CONFIRMATIONS": "true",
        }
        self.run("stack", "init", "test")
        settings = yaml.safe_load((self._folder / "Pulumi.test.yaml").read_text())
        settings["config"] = {"rack:folder": str(folder / "lab"), "rack:port": str(self.lab.plan.site.ssh.port)}
        (self._folder / "Pulumi.test.yaml").write_text(yaml.safe_dump(settings))

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        argv = ["pulumi", *arguments, "--non-interactive", "--color=never"]
        out, err = subprocess.PIPE, subprocess.STDOUT
        return subprocess.Popen(
            argv, cwd=self._folder, env=self._env, stdout=out, stderr=err, text=True, start_new_session=True
        )

    def run(self, *arguments: str, fails: bool = False) -> str:
        """Run `pulumi ARGUMENTS` and return its output."""
        with self.start(*arguments) as command:
            shown, _ = command.communicate()
        assert (command.returncode != 0) is fails, shown
        return shown

    def up(self, *arguments: str, fails: bool = False) -> str:
        return self.run("up", "--yes", "--skip-preview", *arguments, fails=fails)

    def inject(self, hold: bool = False, fails: int = 0) -> None:
        step_faults.inject(self.lab.rack.undercloud, "overcloud deploy", hold, fails)

    def path(self, path: str) -> Path:
        return self.lab.rack.undercloud.root.resolve(path)

    @property
    def runs(self) -> list[Run]:
        return self.runs_of(DEPLOY)

    def runs_of(self, name: str) -> list[Run]:
        return Job(self.path(f"/var/lib/rack-jobs/{name}")).runs

    def deploys(self, run: int) -> bool:
        """Return whether that run of the deployment has reached the step at which it is held."""
        return (
            len(self.runs) == run and self.runs[-1].log.exists() and step_faults.STEP in self.runs[-1].log.read_text()
        )


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("jobs"))
    yield stack
    stack.lab.stop()


def test_a_failed_deployment_names_the_step_and_how_to_resume(stack: Stack) -> None:
    stack.inject(fails=1)
    shown = stack.up(fails=True)
    assert re.search(rf"{DEPLOY} failed with status 1 after \d+ s:", shown)
    assert f"TASK | {step_faults.STEP}" in shown, shown
    assert "overcloud-controller-0: Failed containers: neutron_api" in shown, shown
    assert "port 9696 is in use" in shown
    assert f"/var/lib/rack-jobs/{DEPLOY}/1/log" in shown
    assert "To resume: fix the cause, then pulumi up" in shown
    assert stack.cloud.made == 0


def test_after_a_killed_pulumi_the_next_up_attaches(stack: Stack) -> None:
    stack.inject(hold=True)
    killed = stack.start("up", "--yes", "--skip-preview")
    assert until(lambda: stack.deploys(2), 60)
    killed.kill()
    os.killpg(killed.pid, signal.SIGKILL)  # its plugins
    killed.communicate()
    stack.run("cancel", "--yes")
    with stack.start("up", "--yes", "--skip-preview") as second:
        assert second.stdout
        shown = ""
        for line in second.stdout:
            shown += line
            if f"{DEPLOY}: joined; under way since" in line:
                stack.inject(hold=False)
    assert second.returncode == 0, shown
    assert f"{DEPLOY}: joined" in shown
    assert f"OK | {step_faults.STEP}" in shown
    assert len(stack.runs) == 2
    assert stack.cloud.made == 1
    assert stack.run("stack", "output", "endpoint").strip() == "http://127.0.0.1:1/v3"


def test_the_result_is_that_of_an_undisturbed_run(stack: Stack) -> None:
    stack.up("--expect-no-changes")
    assert stack.cloud.made == 1
    assert [len(stack.runs_of(name)) for name in ("undercloud-install", "undercloud-images", DEPLOY)] == [1, 1, 2]


def test_destroy_deletes_the_jobs_and_up_runs_them_again(stack: Stack) -> None:
    stack.run("destroy", "--yes", "--skip-preview")
    assert not stack.path(RUNNER).exists()
    assert not stack.path("/var/lib/rack-jobs").exists()
    stack.up()
    assert stack.cloud.made == 2
    stack.run("destroy", "--yes", "--skip-preview")
