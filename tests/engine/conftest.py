"""The dev stack on the real engine and the embedded lab.

The tests use both exclusively: they start with an empty rack, even after `make up`, and end with a stopped lab, because
the tests of the lab's services start these one by one.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from engine.build import environment
from lab.__main__ import start, stop
from lab.addresses import UFM_ADMIN_PORT
from lab.assembly import services
from lab.hosts.part import HostsPart
from lab.inventory import inventory_plan
from lab.service import Service

PROJECT = Path(__file__).resolve().parents[2]
STACK = PROJECT / "Pulumi.dev.yaml"
LAST_OF_THE_FIRST_DEPLOYMENT = "test_vfs_and_controllers_are_members_of_the_tenant_pkey"
"""The last test of test_rack.py that reads what the first `up` left, and changes nothing."""


class Pulumi:
    """The command line, as a user runs it."""

    def __init__(self) -> None:
        self.env = {
            **os.environ,
            **environment(),
            "PULUMI_CONFIG_PASSPHRASE": "lab",
            "PULUMI_SKIP_CONFIRMATIONS": "true",
        }
        self.log = ""
        """All output so far."""

    def __call__(self, *arguments: str, fails: bool = False) -> str:
        """Run `pulumi ARGUMENTS` and return its output, including standard error."""
        command = ["pulumi", "--non-interactive", "--color", "never", *arguments]
        done = subprocess.run(
            command,
            cwd=PROJECT,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.log += done.stdout
        assert (done.returncode != 0) == fails, done.stdout[-8000:]
        return done.stdout

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start `pulumi ARGUMENTS`; its standard output has standard error, too."""
        command = ["pulumi", "--non-interactive", "--color", "never", *arguments]
        return subprocess.Popen(
            command, cwd=PROJECT, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def json(self, *arguments: str) -> Any:
        """Run `pulumi ARGUMENTS` and return its standard output, parsed as JSON."""
        done = subprocess.run(["pulumi", *arguments], cwd=PROJECT, env=self.env, capture_output=True, check=True)
        return json.loads(done.stdout)


@pytest.hookimpl(trylast=True)  # after the order of tests/conftest.py
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of drift after those that read what the first deployment left: UFM's log, the outputs.

    The tests of test_rack.py that follow add and remove nodes, and destroy the rack at last.
    """
    drift = [item for item in items if item.path.name == "test_drift.py" and item.path.parent.name == "engine"]
    rest = [item for item in items if item not in drift]
    after = next((n for n, item in enumerate(rest, 1) if item.name == LAST_OF_THE_FIRST_DEPLOYMENT), None)
    if drift and after:
        items[:] = [*rest[:after], *drift, *rest[after:]]


@pytest.fixture(scope="package")
def lab() -> Iterator[tuple[Service, ...]]:
    """Start the embedded lab; stop it afterwards."""
    made = tuple(services(STACK))
    assert start(made) == 0
    yield made
    assert stop(made) == 0


@pytest.fixture(scope="package")
def pulumi(lab: tuple[Service, ...]) -> Iterator[Pulumi]:
    """Return the dev stack, empty. The nodes' adapters are in factory state."""
    cli = Pulumi()
    listed = {stack["name"].rpartition("/")[2] for stack in cli.json("stack", "ls", "--json")}
    if "dev" not in listed:
        cli("stack", "init", "dev", "--secrets-provider", "passphrase")
    cli("stack", "select", "dev")
    cli("destroy", "--yes", "--skip-preview", "--refresh=false")
    (hosts,) = (part for part in lab if isinstance(part, HostsPart))
    for host in inventory_plan(STACK).hosts:
        hosts.request(op="replace_adapter", node=host.name)
    yield cli
    cli("destroy", "--yes", "--skip-preview", "--refresh=false")


@dataclass(frozen=True)
class Diagnosis:
    """What `rack doctor` told about the lab."""

    status: int
    """Exit status."""
    findings: list[dict[str, str]]
    seconds: float

    def of(self, status: str) -> dict[str, str]:
        """Return where and what of the findings with a status, as one text each → how to fix it."""
        return {f"{f['where']}: {f['found']}": f["fix"] for f in self.findings if f["status"] == status}


def diagnose(pulumi: Pulumi, stack: str = "dev", **environment: str) -> Diagnosis:
    """Run `rack doctor` as an operator does."""
    begin = time.monotonic()
    command = [sys.executable, "-m", "rack", "doctor", "--stack", stack, "--json"]
    done = subprocess.run(
        command, cwd=PROJECT, env={**pulumi.env, **environment}, capture_output=True, text=True, check=False
    )
    assert done.stdout, done.stderr
    return Diagnosis(done.returncode, json.loads(done.stdout), time.monotonic() - begin)


@pytest.fixture(scope="package")
def before(pulumi: Pulumi) -> Diagnosis:
    """What the doctor tells before the first `up`."""
    return diagnose(pulumi)


@pytest.fixture(scope="package")
def deployed(pulumi: Pulumi, before: Diagnosis) -> Pulumi:
    """Deploy the guide's rack, after the doctor has looked at it; UFM's log of requests starts empty."""
    requests.delete(f"http://127.0.0.1:{UFM_ADMIN_PORT}/requests", timeout=10)
    pulumi("up", "--yes", "--skip-preview")
    return pulumi
