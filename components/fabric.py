"""The control PKeys on the fabric (I3): one resource a PKey, members by host name.

Authoritative: nobody else writes a control PKey, so a GUID that the plan does not know is drift and is shown as such.
"""

import pulumi

from providers.ufm import PKey
from rack.plan import Plan


class Fabric(pulumi.ComponentResource):
    pkeys: dict[str, PKey]
    """By network: InternalApi, Storage, StorageMgmt."""

    def __init__(self, name: str, plan: Plan, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("rack:fabric:Fabric", name, None, opts)
        self.pkeys = {
            control.network: PKey(
                f"{name}-{control.network}",
                pkey=control.pkey,
                members=dict(control.members),
                opts=pulumi.ResourceOptions(parent=self),
            )
            for control in plan.control_pkeys
        }
        self.register_outputs({"pkeys": self.summary})

    @property
    def summary(self) -> dict[str, pulumi.Output[str]]:
        """For the stack's outputs: `InternalApi` → `0xc: 5 members`."""
        return {
            network: pulumi.Output.format("{0}: {1} members", pkey.pkey, pkey.member_count)
            for network, pkey in self.pkeys.items()
        }
