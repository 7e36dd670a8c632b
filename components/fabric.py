"""The control PKeys on the fabric (I3): one resource per PKey, members by host name.

Control PKeys are authoritative: no other system writes them, so a GUID that is not in the plan is drift and is shown as
drift. A node's port becomes a member after introspection and is removed last, after the node is scaled in.
"""

import pulumi

from components.base import Component
from components.introspection import Introspection
from providers.ufm import PKey
from rack.plan import Plan


class Fabric(Component):
    """The partitions of the control networks."""

    TYPE = "rack:fabric:Fabric"

    pkeys: dict[str, PKey]
    """PKey by network: InternalApi, Storage, StorageMgmt."""

    def __init__(
        self, name: str, plan: Plan, introspection: Introspection, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Create one PKey per control network, with every node of the plan as a member."""
        super().__init__(name, opts)
        self.pkeys = {
            control.network: PKey(
                f"{name}-{control.network}",
                pkey=control.pkey,
                members=introspection.with_ports(lambda plan: dict(plan.members)),
                adopt=plan.site.ufm.adopt_pkeys,
                qos={"mtu_limit": control.mtu_kib} if control.mtu_kib else None,
                opts=self._child(*introspection.ready, protect=plan.site.protect),
            )
            for control in plan.control_pkeys
        }
        self.register_outputs({"pkeys": self.summary})

    @property
    def summary(self) -> dict[str, pulumi.Output[str]]:
        """Network to `0xc: 5 members`, for the stack's outputs."""
        return {
            network: pulumi.Output.format("{0}: {1} members", pkey.pkey, pkey.member_count)
            for network, pkey in self.pkeys.items()
        }
