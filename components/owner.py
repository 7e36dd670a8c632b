"""Which stack owns the rack: marks on the hosts and at UFM, claimed before the first write.

Two stacks with one configuration would adopt each other's PKeys, and the `destroy` of one would delete the hosts' files
and the cloud of the other. So each host that this program changes over SSH has a mark (`onhost/owner/`), and UFM has
one per PKey (`providers/ufm/owner.py`). A mark names project, stack, the stack's random ID, and the time.

    up        all hosts are claimed one after the other, before anything else is changed. The PKeys are claimed as soon
              as UFM can be asked: before the hosts if UFM exists, else after its installation on its claimed host
    preview   asks UFM, without SSH: `ufm:index:PKeyOwner`
    destroy   the guards are deleted first, and check the marks. The marks are released last

A guard is a resource that depends on everything else, as `Protection` does; only its deletion does something. A guard
per place is needed, because a resource is deleted by its own provider. They form a chain: when a deletion fails, the
engine walks every path from there to the roots.

Overcloud nodes have no marks: provisioning erases their disks. The undercloud that provisions them has one, and so
have the PKeys that their ports belong to.

Project and stack do not identify a stack: a copied configuration has the same names. So a stack has a short random ID,
drawn once and kept in the state until the stack is destroyed. It marks every object that the stack creates.
"""

import re
import shlex
from collections.abc import Sequence

import pulumi
from pulumi_command import local

from access.ssh import Operator, SshHost
from components.base import Component, untracked
from onhost import shipping
from providers.ufm import PKeyOwner, PKeyOwnerGuard, Provider
from rack.owner import ID, Mark
from rack.plan import Plan

DRAW = """\
id=$(od -An -N4 -tx1 /dev/urandom | tr -d ' \\n')
[ ${#id} = 8 ] || { echo "cannot draw the stack's ID from /dev/urandom" >&2; exit 1; }
printf %s "$id\""""
"""Prints eight random hexadecimal digits."""
KEEP = 'printf %s "$PULUMI_COMMAND_STDOUT"'
"""Prints the ID of the state again: without it, pulumi-command would draw another one when an input changes."""


class Owner(Component):
    """The owner of all objects that the stack creates."""

    TYPE = "rack:owner:Owner"

    id: pulumi.Output[str]
    """Eight hexadecimal digits; unknown in the preview that precedes the first `up`."""
    drawn: local.Command
    """The resource that holds the ID. It is deleted after all that depends on it."""
    project: str
    stack: str

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        """Draw the ID, unless the state has it."""
        super().__init__(name, opts)
        self.project, self.stack = pulumi.get_project(), pulumi.get_stack()
        drawn = local.Command(f"{name}-id", create=DRAW, update=KEEP, logging=local.Logging.NONE, opts=self._child())
        self.drawn, self.id = drawn, drawn.stdout
        self.register_outputs({"id": self.id})

    def mark(self, resource: str) -> pulumi.Output[str]:
        """Return the mark of an object. `resource`: name of the resource that creates it."""
        return self.id.apply(lambda stack_id: str(Mark(stack_id, resource)))


class Ownership:
    """The stack's marks. Its resources are children of the stack's `Owner`."""

    owner: Owner
    claims: list[pulumi.Resource]
    """Resources that the first change of each host depends on; empty until `claim_hosts`."""

    def __init__(self, plan: Plan, operator: Operator, owner: Owner, take_from: str | None) -> None:
        """Prepare the marks.

        Args:
            plan: names the hosts and PKeys.
            operator: the operator's SSH access.
            owner: the stack.
            take_from: the configuration's `takeFrom`: ID of the stack that this one replaces as the owner.

        Raises:
            RunError: `take_from` is no ID.
        """
        if take_from and not re.fullmatch(ID, take_from):
            raise pulumi.RunError(
                f"rack:takeFrom: found {take_from!r}; write the ID that the error shows, or: pulumi config rm takeFrom"
            )
        if take_from:
            pulumi.log.warn(f"takes over from stack {take_from}; after this `up`: pulumi config rm takeFrom")
        self.owner, self._take_from = owner, take_from or ""
        self._hosts = _hosts(plan, operator)
        self._pkeys = sorted({*(control.pkey for control in plan.control_pkeys), plan.tenant_pkey})
        self._program = shipping.shell_program("owner")
        self.claims = []

    def claim_hosts(self, *after: pulumi.Resource) -> None:
        """Claim every host, after the resources `after`. Nothing else on a host comes before."""
        self.claims = [self.owner.drawn, *after]
        for name, (title, host) in self._hosts.items():
            claim = host.run(
                f"owner-{name}",
                self._step("claim", title, self._take_from),
                delete=self._step("release", title),
                stdin=self._program,
                opts=self._child(self.claims),
            )
            self.claims = [claim]

    def claim_pkeys(self, name: str, opts: pulumi.ResourceOptions) -> PKeyOwner:
        """Claim the PKeys at UFM."""
        return PKeyOwner(name, owner=self.owner.id, pkeys=self._pkeys, take_from=self._take_from, opts=opts)

    def guard(self, api: Provider, last: Sequence[pulumi.Resource]) -> pulumi.Resource:
        """Let a `destroy` check every mark before it deletes anything.

        Args:
            api: UFM.
            last: the last components of the program; all others precede them.

        Returns:
            The resource that is deleted first.
        """
        after = list(last)
        for name, (title, host) in self._hosts.items():
            check = self._step("check", title)
            guard = host.run(f"owner-guard-{name}", check, delete=check, stdin=self._program, opts=self._child(after))
            after = [guard]
        opts = self._child(after, api)
        return PKeyOwnerGuard("owner-guard-pkeys", owner=self.owner.id, pkeys=self._pkeys, opts=opts)

    def _child(self, after: Sequence[pulumi.Resource], provider: Provider | None = None) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self.owner, depends_on=list(after), provider=provider)

    def _step(self, step: str, title: str, take_from: str = "") -> pulumi.Output[str]:
        """Return the command of a step, which reads the program on its standard input."""
        fixed = {"HOST": title, "PROJECT": self.owner.project, "STACK": self.owner.stack}
        more = {"TAKE_FROM": take_from} if take_from else {}
        return untracked(self.owner.id).apply(
            lambda own: shlex.join(
                ["sh", "-s", step, *(f"{key}={value}" for key, value in {**fixed, "ID": own, **more}.items())]
            )
        )


def _hosts(plan: Plan, operator: Operator) -> dict[str, tuple[str, SshHost]]:
    """Return every host that the program changes over SSH: name of its resources → title in messages, host."""
    site = plan.site
    addresses = {
        **({"ufm-host": ("UFM host", site.ufm.ssh_address)} if site.ufm.host else {}),
        "undercloud": ("undercloud", site.undercloud.ssh_address),
        **({"builder": ("build host", site.builder.address)} if site.builder else {}),
    }
    found: dict[str, tuple[str, SshHost]] = {}
    for name, (title, address) in addresses.items():
        if str(address) not in [host.address for _, host in found.values()]:
            found[name] = (f"{title} ({address})", operator.host(address))
    return found
