"""The stack's identity: a short random ID, which marks every object that the stack creates.

Project and stack do not identify a stack: a copied configuration has the same names. The ID is drawn once and kept in
the state, so it stays the same until the stack is destroyed.
"""

import pulumi
from pulumi_command import local

from components.base import Component
from rack.owner import Mark

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
