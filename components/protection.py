"""What keeps a production stack from `pulumi destroy`.

The engine deletes from the leaves down and stops at a protected resource only when it comes to it: by then instances
and images of a stack whose overcloud is protected would be gone (unless a preview before had told so, which
`--skip-preview` leaves out). So this component depends on everything: it is the first to be deleted, and refuses.

"Everything" is the last components: those before them follow. Where a deletion fails, the engine walks every path from
there to the roots (pulumi 3.259.0, `TransitiveDependenciesOf`), not every resource: what lists dependencies that follow
from its others doubles them. That is why components name what they directly need, and no more.

It makes nothing, and is there whether the stack is protected or not: a protected resource that leaves the program could
not be deleted any more.
"""

from collections.abc import Sequence

import pulumi


class Protection(pulumi.ComponentResource):
    def __init__(self, name: str, protect: bool, last: Sequence[pulumi.Resource]) -> None:
        opts = pulumi.ResourceOptions(protect=protect, depends_on=list(last))
        super().__init__("rack:index:Protection", name, None, opts)
        self.register_outputs({})
