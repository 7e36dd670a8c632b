"""The control PKeys on the fabric (I3): one resource a PKey, members by host name.

Authoritative: nobody else writes a control PKey, so a GUID that the plan does not know is drift and is shown as such.
A node's port becomes a member after its introspection, and is taken out last, after the node has left the cloud.
"""

import pulumi

from components.introspection import Introspection
from providers.ufm import PKey, Provider
from rack.plan import Plan
from rack.site import UfmSpec


def ufm_api(ufm: UfmSpec, config: pulumi.Config) -> Provider:
    """UFM's REST API as a provider, for `providers=` of the components that have resources there (U7)."""
    return Provider(
        "ufm-api",
        address=str(ufm.address),
        port=ufm.port,
        user=ufm.user,
        password=config.require_secret("ufmPassword"),
        previous_password=config.get_secret("ufmPreviousPassword"),
        ca_file=str(ufm.ca_file) if ufm.ca_file else None,
        insecure=ufm.insecure,
    )


class Fabric(pulumi.ComponentResource):
    pkeys: dict[str, PKey]
    """By network: InternalApi, Storage, StorageMgmt."""

    def __init__(
        self, name: str, plan: Plan, introspection: Introspection, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rack:fabric:Fabric", name, None, opts)
        self.pkeys = {
            control.network: PKey(
                f"{name}-{control.network}",
                pkey=control.pkey,
                members=introspection.known(lambda plan: dict(plan.members)),
                adopt=plan.site.ufm.adopt_pkeys,
                qos={"mtu_limit": control.mtu_kib} if control.mtu_kib else None,
                opts=pulumi.ResourceOptions(parent=self, depends_on=introspection.ready, protect=plan.site.protect),
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
