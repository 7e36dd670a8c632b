"""UFM is down in the middle of an `up`, while Neutron writes (C7)."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from access.ssh import as_stack
from lab import addresses
from lab.cloud import client, journal, processes
from lab.cloud.maintenance import Maintenance
from lab.process import until
from providers.ufm.errors import RESET_JOURNAL
from rack.plan import Plan
from rack.site.load import load_stack_file
from tests.engine.conftest import PROJECT, STACK, Pulumi

pytestmark = [pytest.mark.timeout(1800)]

PLAN = Plan(load_stack_file(STACK))
ADMIN = f"http://127.0.0.1:{addresses.UFM_ADMIN_PORT}"


def urns(pulumi: Pulumi, *names: str) -> list[str]:
    """Return the URNs of the resources with these names."""
    state = pulumi.json("stack", "export")["deployment"]["resources"]
    return [r["urn"] for r in state if r["urn"].rpartition("::")[2] in names]


def states() -> set[str]:
    return {row.state for row in client.journal()}


class Run:
    """An `up` in the background."""

    def __init__(self, pulumi: Pulumi, *arguments: str) -> None:
        self.lines: list[str] = []
        self._process = pulumi.start("up", "--yes", "--skip-preview", *arguments)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        with self._process.stdout as output:
            self.lines.extend(output)

    def said(self, text: str) -> bool:
        return any(text in line for line in list(self.lines))

    def wait_for(self, text: str, seconds: float = 300) -> None:
        """Wait until the run prints the text, or fail with all that it has printed."""
        found = until(lambda: self.said(text) or self._process.poll() is not None, seconds)
        assert found, "".join(self.lines)
        assert self.said(text), "".join(self.lines)

    def succeeds(self) -> str:
        """Wait for the end of the run and return its output."""
        self._reader.join()
        output = "".join(self.lines)
        assert self._process.wait() == 0, output[-8000:]
        return output


@contextmanager
def absent_ufm() -> Iterator[None]:
    """Stop UFM; start it again at the end."""
    requests.post(f"{ADMIN}/stop", timeout=60).raise_for_status()
    try:
        yield
    finally:
        requests.post(f"{ADMIN}/start", timeout=60).raise_for_status()


@pytest.fixture
def orphans(deployed: Pulumi, request: pytest.FixtureRequest) -> Iterator[Run]:
    """Replace a port of the tenant, while UFM is down, under the maintenance in `request.param`: rows get stuck."""
    journal.choose(request.param, print)
    replaced = [f"--target-replace={urn}" for urn in urns(deployed, "tenant-direct1")]
    with absent_ufm():
        run = Run(deployed, *replaced, "--target-dependents")
        assert until(lambda: "processing" in states(), 120), (states(), run.lines)
        run.wait_for("tenant-vm1_gpu created")
    yield run
    journal.choose(Maintenance(), print)


@pytest.mark.parametrize("orphans", [Maintenance("wallaby", interval=20, timeout=5)], indirect=True)
def test_an_up_waits_for_wallaby_s_maintenance_of_the_journal(orphans: Run) -> None:
    orphans.succeeds()
    assert until(lambda: states() == {"completed"}, 60), states()


@pytest.mark.parametrize("orphans", [Maintenance("21.0.0")], indirect=True)
def test_the_command_of_the_error_resets_the_rows_that_21_0_0_leaves(orphans: Run) -> None:
    orphans.wait_for("still waiting for vm1_gpu/vf")
    assert "processing" in states(), "UFM answers, and Neutron does not send them again"
    aged = "UPDATE sdn_journal SET last_retried = NOW() - INTERVAL 200 SECOND WHERE state='processing'"
    processes.sql(aged, "neutron")
    on_controller(RESET_JOURNAL)
    orphans.succeeds()
    assert until(lambda: states() == {"completed"}, 60), states()


def on_controller(command: str) -> None:
    """Run a command on a controller, as the operator does: from the undercloud, as user stack."""
    site, node = PLAN.site, PLAN.controllers[0]
    options = ["-i", str(site.ssh.private_key_file), "-o", f"UserKnownHostsFile={site.ssh.known_hosts_file}"]
    where = ["-F", "none", *options, "-p", str(site.ssh.port), f"{site.ssh.user}@{site.undercloud.address}"]
    hop = f"ssh -o StrictHostKeyChecking=no -p {site.ssh.node_port} tripleo-admin@{node.address} bash -s"
    subprocess.run(["ssh", *where, as_stack(hop)], cwd=PROJECT, input=command, text=True, check=True)
