"""One deployed rack for the sample of disturbances, whose secrets are canaries."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import yaml

from lab import addresses
from lab.hosts.part import HostsPart
from lab.inventory import inventory_plan
from lab.process import until
from lab.service import Service
from tests.chaos import canaries
from tests.chaos.canaries import Sampler
from tests.chaos.rack import Rack
from tests.chaos.runs import Ended, Project
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
    values = canaries.new()
    project = Project(tmp_path_factory.mktemp("chaos") / "project", stack_file(values))
    configure(project, values)
    agent = start_agent(project)
    (hosts,) = (part for part in lab if isinstance(part, HostsPart))
    for host in inventory_plan(STACK).hosts:
        hosts.request(op="hardware_faults", node=host.name, faults={"bmc_password": values["ipmiPassword"]})
    made = Canary(Rack(project), values, Sampler(values))
    made.deployed = made.rack.deploy(each=made.sampler)
    values.update(canaries.generated(project.state("--show-secrets")))
    made.sampler = Sampler(values, made.sampler)
    yield made
    project.destroy()
    for host in inventory_plan(STACK).hosts:
        hosts.request(op="hardware_faults", node=host.name, faults={})
    agent.terminate()
    agent.wait(30)


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
