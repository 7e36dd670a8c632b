"""Jobs on the lab's undercloud over real SSH, as the rack's resources run them.

SSH sessions, the SSH server and the host go down while a job runs. Each time, the next `up` joins the run or resumes,
nothing runs twice, and the result is the one of an undisturbed run.
"""

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from access.ssh import RUNNER, as_stack
from lab.hosts import step_faults
from lab.hosts.machine import descendants
from lab.process import until
from onhost.undercloud.job_runs import Job
from rack.plan import Plan
from tests.components.conftest import Recorder, deploy, record
from tests.lab.hosts.conftest import MARKS, Lab

pytestmark = [*MARKS, pytest.mark.timeout(120)]

INSTALL = "undercloud-install"


class Site:
    """The undercloud before C4, and the commands of the resources that the program registers."""

    def __init__(self, lab: Lab, rack: Recorder) -> None:
        self.lab, self.rack = lab, rack
        lab.ok("undercloud", "useradd -m stack")
        with lab.rack.undercloud.change():
            lab.rack.undercloud.state.packages = ["python3-tripleoclient"]
        lab.rack.undercloud.refresh()
        # The files of the program that C4 reads.
        for name in ("undercloud-jobs", "undercloud-undercloud-conf", "undercloud-containers-prepare"):
            inputs = rack.resources[name].inputs
            lab.ok("undercloud", inputs["create"], inputs["stdin"])

    def command(self, name: str = INSTALL, what: str = "create") -> str:
        return str(self.rack.resources[name].inputs[what])

    def run(self, name: str = INSTALL) -> "subprocess.CompletedProcess[str]":
        return self.lab.run("undercloud", self.command(name))

    def begin(self) -> "subprocess.Popen[str]":
        """Start C4 over SSH and return once its first step has begun."""
        port, address = str(self.lab.plan.site.ssh.port), self.lab.address("undercloud")
        argv = ["ssh", *self.lab.options("undercloud"), "-p", port, f"root@{address}", self.command()]
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        child = subprocess.Popen(argv, stdin=null, stdout=pipe, stderr=pipe, text=True)
        assert child.stderr
        for line in child.stderr:
            if step_faults.STEP in line:
                break
        return child

    def hold(self, hold: bool = True, fails: int = 0) -> None:
        order = {"op": "step_fault", "command": "undercloud install", "hold": hold, "fails": fails}
        assert self.lab.keeper.control(order) == {"ok": True}

    def fresh(self) -> None:
        """Stop and forget C4, and remove injected faults."""
        self.hold(False)
        self.lab.run("undercloud", f"{RUNNER} stop {INSTALL}")
        self.lab.ok("undercloud", self.command(what="delete"))

    @property
    def logs(self) -> list[str]:
        """The log of every run of C4."""
        runs = Job(self.lab.rack.undercloud.root.resolve(f"/var/lib/rack-jobs/{INSTALL}")).runs
        return [run.log.read_text() for run in runs]

    def assert_installed_by_one_run(self) -> None:
        assert len(self.logs) == 1
        assert self.logs[0].count("successfully installed") == 1
        assert "OS_PASSWORD" in self.lab.ok("undercloud", "cat /home/stack/stackrc")


@pytest.fixture(scope="module")
def shared(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    lab = Lab(tmp_path_factory.mktemp("lab"))
    yield Site(lab, record(plan, lambda operator: deploy(plan, operator) and None))
    lab.stop()


@pytest.fixture
def site(shared: Site) -> Iterator[Site]:
    shared.fresh()
    yield shared
    shared.fresh()


def test_an_undisturbed_job_runs_once(site: Site) -> None:
    done = site.run()
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "PLAY [Undercloud deploy step tasks for 3]" in done.stderr
    site.assert_installed_by_one_run()
    again = site.run()
    assert again.returncode == 0
    assert "PLAY" not in again.stderr
    site.assert_installed_by_one_run()


def test_the_next_client_joins_after_the_ssh_connection_is_cut(site: Site) -> None:
    site.hold()
    first = site.begin()
    server = site.lab.rack.undercloud.sshd.pid()
    assert server
    for session in descendants(server):
        os.kill(session, signal.SIGKILL)
    first.communicate()
    assert first.returncode == 255
    second = site.begin()
    site.hold(False)
    _, said = second.communicate()
    assert second.returncode == 0, said
    assert f"OK | {step_faults.STEP}" in said
    site.assert_installed_by_one_run()


def test_the_follower_ends_after_its_client_is_killed(site: Site) -> None:
    site.hold()
    first = site.begin()
    first.kill()
    first.communicate()
    following = "pgrep -f '[r]ack-job run'"
    assert until(lambda: site.lab.run("undercloud", following).returncode == 1, 10)
    site.hold(False)
    assert site.run().returncode == 0
    site.assert_installed_by_one_run()


def test_a_job_survives_a_restart_of_the_ssh_server(site: Site) -> None:
    site.hold()
    first = site.begin()
    undercloud = site.lab.rack.undercloud
    undercloud.sshd.stop()
    undercloud.boot()
    site.hold(False)
    first.communicate()
    assert site.run().returncode == 0
    site.assert_installed_by_one_run()


def test_two_concurrent_clients_share_one_run(site: Site) -> None:
    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(lambda _: site.run(), range(2)))
    assert [end.returncode for end in ends] == [0, 0], [end.stderr for end in ends]
    site.assert_installed_by_one_run()


def test_a_job_is_run_again_after_a_reboot(site: Site) -> None:
    site.hold()
    first = site.begin()
    site.lab.rack.undercloud.reboot()
    first.communicate()
    assert first.returncode != 0
    site.hold(False)
    second = site.run()
    assert second.returncode == 0, second.stderr
    assert (
        "its last run was interrupted, by a reboot or a kill; log: /var/lib/rack-jobs/undercloud-install/1/log"
        in second.stderr
    )
    assert ["successfully installed" in log for log in site.logs] == [False, True]


def test_a_failure_reports_the_step_and_the_next_up_resumes(site: Site) -> None:
    site.hold(False, fails=1)
    failed = site.run()
    assert failed.returncode == 1
    report = failed.stderr[failed.stderr.index(f"{INSTALL} failed with status 1") :].splitlines()
    assert report[1].endswith(f"TASK | {step_faults.STEP}")
    assert report[2].endswith(f"FATAL | {step_faults.STEP} | undercloud: Failed containers: neutron_api")
    assert report[3].strip() == "port 9696 is in use"
    assert "Ansible execution failed" in report[-3]
    assert report[-2].startswith("The whole log, on localhost.localdomain: /var/lib/rack-jobs/undercloud-install/1/")
    assert report[-1].startswith("To resume: fix the cause, then pulumi up")
    assert site.run().returncode == 0
    assert ["successfully installed" in log for log in site.logs] == [False, True]


def test_destroy_is_refused_while_a_job_runs_and_deletes_its_files_afterwards(site: Site) -> None:
    site.hold()
    running = site.begin()
    refused = site.lab.refused("undercloud", site.command(what="delete"))
    assert f"{INSTALL} is running" in refused
    assert f"{RUNNER} stop {INSTALL}" in refused
    assert "undercloud-install is running" in site.lab.refused("undercloud", site.command("undercloud-jobs", "delete"))
    assert f"{INSTALL}: run 1, running" in site.lab.ok("undercloud", f"{RUNNER} status")
    site.lab.ok("undercloud", f"{RUNNER} stop {INSTALL}")
    running.communicate()
    assert running.returncode == 143
    site.lab.ok("undercloud", site.command(what="delete"))
    assert site.lab.run("undercloud", "test -e /var/lib/rack-jobs").returncode == 1


def test_every_long_step_is_a_job_that_prints_only_its_result_on_standard_output(site: Site, plan: Plan) -> None:
    """The steps are C4, C5, I1, O5, G1 and G2. Progress goes to standard error."""
    jobs = {
        name: r for name, r in site.rack.resources.items() if str(r.inputs.get("create")).startswith(f"{RUNNER} run ")
    }
    images = {f"images-build-{image.name}" for image in plan.site.images}
    assert set(jobs) >= {INSTALL, "undercloud-images", "introspection-nodes", "overcloud-deploy", *images}
    for name, resource in jobs.items():
        words = shlex.split(resource.inputs["create"])
        assert words[2] == name
        assert words[3:7] == ["sudo", "-Hu", "stack", "sh"]
        assert f"{RUNNER} forget {name}\n" in resource.inputs["delete"]
    assert site.run().returncode == 0
    assert site.run("undercloud-images").returncode == 0
    variables = site.rack.resources[min(images).replace("-build-", "-variables-")].inputs
    site.lab.ok("undercloud", variables["create"], variables["stdin"])
    built = site.run(min(images))
    assert built.returncode == 0, built.stderr
    assert len(built.stdout.strip()) == 64
    assert "dib-run-parts Running install.d" in built.stderr
    for name in ("undercloud-images", min(images)):
        site.lab.ok("undercloud", site.command(name, "delete"))


def test_a_job_runs_as_stack_in_its_home_directory(site: Site) -> None:
    """A job has neither a terminal nor a login session, so user, home and directory are set by the command."""
    said = site.lab.ok("undercloud", f"{RUNNER} run probe {as_stack('id -un; pwd; echo $HOME; umask')}")
    assert said.split() == ["stack", "/home/stack", "/home/stack", "0022"]
    site.lab.ok("undercloud", f"{RUNNER} forget probe")
