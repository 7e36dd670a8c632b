"""One deployed rack for the sample of disturbances, whose secrets are canaries."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from harness.runs import Ended, Project
from lab import addresses
from lab.hosts.part import HostsPart
from lab.hosts.state import FACTORY_BMC
from lab.inventory import inventory_plan
from lab.process import until
from lab.service import Service
from tests.chaos import canaries
from tests.chaos.canaries import Sampler
from tests.chaos.rack import Rack
from tests.engine.conftest import STACK, Pulumi, lab, pulumi

__all__ = ["lab", "pulumi"]


@dataclass
class Canary:
    """A deployed rack, its secrets, and what was seen of them in command lines and environments."""

    rack: Rack
    secrets: dict[str, str]
    sampler: Sampler
    deployed: Ended = field(default_factory=lambda: Ended(1, "", []))
    """The undisturbed `up`."""


@pytest.fixture(scope="package")
def canary(lab: tuple[Service, ...], pulumi: Pulumi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canary]:
    """Deploy a rack with canaries, undisturbed. `pulumi` has emptied the lab's rack."""
    (hosts,) = (part for part in lab if isinstance(part, HostsPart))
    with deployment(hosts, tmp_path_factory.mktemp("chaos") / "project") as made:
        yield made


@contextmanager
def deployment(hosts: HostsPart, folder: Path) -> Iterator[Canary]:
    """Deploy a rack with canaries from a project in `folder`; destroy it at the end, whatever has happened."""
    values = canaries.new()
    project = Project(folder, stack_file(values))
    configure(project, values)
    made = Canary(Rack(project), values, Sampler(values))
    agent = start_agent(project)
    try:
        set_bmc_password(hosts, values["ipmiPassword"])
        made.deployed = made.rack.deploy(each=made.sampler)
        values.update(canaries.generated(project.state("--show-secrets")))
        made.sampler = Sampler(values, made.sampler)
        yield made
    finally:
        made.rack.unlock()
        ended = project.destroy()
        agent.terminate()
        agent.wait(30)
        set_bmc_password(hosts, FACTORY_BMC)
    assert ended.status == 0, ended.output[-6000:]


def set_bmc_password(hosts: HostsPart, password: str) -> None:
    """Set the password of every node's BMC."""
    for host in inventory_plan(STACK).hosts:
        hosts.request(op="hardware_faults", node=host.name, faults={"bmc_password": password})


def stack_file(values: dict[str, str]) -> str:
    """Return the dev stack without its secrets; with a passphrase for the operator's key, and a registry's login."""
    document = yaml.safe_load(STACK.read_text())
    config = {key: value for key, value in document["config"].items() if "secure" not in str(value)}
    config["rack:site"]["ssh"]["privateKeyFile"] = "id_canary"
    undercloud = config["rack:site"]["undercloud"]
    undercloud |= {"registry": {"user": "robot"}, "containerNamespace": "registry.example:5000/tripleowallaby"}
    return yaml.safe_dump({"config": config})


def start_agent(project: Project) -> "subprocess.Popen[bytes]":
    """Start an SSH agent with the operator's key: the system's `ssh`, which fetches images, takes no passphrase."""
    socket = project.folder / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    assert until(socket.exists, 30)
    project.env["SSH_AUTH_SOCK"] = str(socket)
    subprocess.run(["ssh-add", "-q", str(addresses.SSH_KEY)], env=project.env, check=True, capture_output=True)
    return agent


def configure(project: Project, values: dict[str, str]) -> None:
    """Set the secrets, through standard input, and write the operator's key with its passphrase."""
    for name, value in values.items():
        project.configure(name, value)
    key = project.folder / "id_canary"
    key.write_bytes(addresses.SSH_KEY.read_bytes())
    key.chmod(0o600)
    change = ["ssh-keygen", "-q", "-p", "-P", "", "-N", values["sshKeyPassphrase"], "-f", str(key)]
    subprocess.run(change, check=True, capture_output=True)
