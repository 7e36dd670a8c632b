"""A deployed rack, and what an operator does after a disturbed run: `pulumi cancel`, `rack recover`, `pulumi up`."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field

from harness import snapshot
from harness.runs import PROJECT, Ended, Operation, Project
from harness.snapshot import Snapshot
from lab import addresses
from lab.hosts.machine import Machine
from lab.hosts.rack import machines
from lab.inventory import inventory_plan

TENANT = ("rack:tenant:Tenant", "rack:tenant:ExternalAccess", "rack:tenant:Bandwidth")
IMAGES = "openstack:images/image:Image"


class DisturbedError(AssertionError):
    """A disturbed run did not end as an undisturbed one."""


@dataclass
class Rack:
    """A deployed rack, and what it is when no run was disturbed."""

    project: Project
    wanted: Snapshot = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    """Those of the undisturbed `up`."""
    arguments: tuple[str, ...] = ()
    """Of every `up`: the configuration."""
    recovered: int = 0
    """How many times `rack recover` was needed."""

    def deploy(self, each: Callable[[], None] | None = None) -> Ended:
        """Deploy undisturbed, and remember the result. `each` is called at each event of the engine."""
        ended = self.project.up(*self.arguments, each=each)
        require(ended.status == 0, f"the undisturbed `up` failed:\n{ended.output[-6000:]}")
        self.operations = ended.operations
        self.wanted = self.read()
        return ended

    def read(self) -> Snapshot:
        """Read the rack."""
        return snapshot.take(self.project.state())

    def remove_tenant(self, images: bool = False) -> None:
        """Destroy the tenant's layer and what is in front of it, and the images if `images`; the platform stays."""
        kinds = (*TENANT, IMAGES) if images else TENANT
        resources = self.project.state()["deployment"]["resources"]
        urns = [found["urn"] for found in resources if any(kind in found["urn"] for kind in kinds)]
        ended = self.project.destroy("--target-dependents", *(word for urn in urns for word in ("--target", urn)))
        require(ended.status == 0, f"the tenant's layer cannot be destroyed:\n{ended.output[-6000:]}")

    def unlock(self) -> bool:
        """Do what the documentation says after a killed run; return whether `rack recover` was needed.

        Raises:
            DisturbedError: `rack recover` failed, or left operations of which the state does not know the outcome.
        """
        self.project.pulumi("cancel", "--yes")
        if not self.project.pending():
            return False
        self.recovered += 1
        recover(self.project)
        require(not self.project.pending(), f"`rack recover` left pending operations: {self.project.pending()}")
        return True

    def resume(self) -> bool:
        """Unlock the stack and run `up`; return whether `rack recover` was needed.

        Raises:
            DisturbedError: the rack does not become what it is after an undisturbed run.
        """
        recovered = self.unlock()
        ended = self.project.up(*self.arguments)
        require(ended.status == 0, f"`up` after the disturbance failed:\n{ended.output[-6000:]}")
        self.check()
        return recovered

    def check(self) -> None:
        """Compare the rack with the undisturbed one.

        Raises:
            DisturbedError: it differs.
        """
        lines = snapshot.difference(self.wanted, self.read())
        require(not lines, "the rack differs from an undisturbed one:\n" + "\n".join(lines[:40]))


def machine(name: str) -> Machine:
    """Return a host of the lab."""
    found = machines(inventory_plan(PROJECT / "Pulumi.dev.yaml"), addresses.STATE / "hosts")
    return next(host for host in found if host.name == name)


def recover(project: Project) -> None:
    """Run `rack recover`.

    Raises:
        DisturbedError: it failed.
    """
    words = [str(PROJECT / ".venv/bin/python"), "-m", "rack", "recover", "--stack", project.name, "--yes"]
    done = subprocess.run(words, cwd=project.folder, env=project.env, capture_output=True, text=True, check=False)
    project.log += done.stdout + done.stderr
    require(done.returncode == 0, f"`rack recover` failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")


def require(true: bool, text: str) -> None:
    """Raise a `DisturbedError` with this text unless the condition is true."""
    if not true:
        raise DisturbedError(text)
