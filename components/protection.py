"""Protection of a production stack from `pulumi destroy`.

The engine deletes dependents first and refuses a protected resource only when it reaches it: instances and images of a
stack whose overcloud is protected would be deleted by then (a preview would refuse earlier, but `--skip-preview` omits
it). So this component depends on everything: it is the first to be deleted, and its deletion is refused.

It depends on the last components only; the earlier ones follow. When a deletion fails, the engine walks every path from
there to the roots (pulumi 3.259.0, `TransitiveDependenciesOf`), not every resource, so each redundant dependency
doubles the number of paths. That is why components list direct dependencies only.

The component has no children, and it exists whether the stack is protected or not: a protected resource that is removed
from the program could not be deleted any more.
"""

from collections.abc import Sequence

import pulumi

from components.base import Component


class Protection(Component):
    """The first resource to be deleted."""

    TYPE = "rack:index:Protection"

    def __init__(self, name: str, protect: bool, last: Sequence[pulumi.Resource]) -> None:
        """Depend on the last components of the program; `protect`: refuse to be deleted."""
        opts = pulumi.ResourceOptions(protect=protect, depends_on=list(last))
        super().__init__(name, opts)
        self.register_outputs({})
