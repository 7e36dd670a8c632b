"""The gate before a deployment (I4): UFM lists every node's port as a full member of every control PKey.

What this component enforces: no deployment, first or later, starts while a node would come up without its control
networks. The gate waits and logs progress, because UFM may be restarting; a timeout names node, port, GUID and PKey.
"""

import pulumi

from components.base import Component
from components.fabric import Fabric
from components.introspection import Introspection, ufm_access
from components.undercloud import PAUSES, Undercloud
from onhost.undercloud.orders import GateOrder, encode
from rack import tripleo
from rack.plan import Plan

MINUTES = 15
"""Time limit. A restart of UFM takes less, and a member that is missing by then is not being written."""


class Gate(Component):
    """The check that runs before each deployment."""

    TYPE = "rack:fabric:Gate"

    ready: list[pulumi.Resource]
    """Resources that the overcloud depends on."""

    def __init__(
        self,
        name: str,
        plan: Plan,
        undercloud: Undercloud,
        introspection: Introspection,
        fabric: Fabric,
        token: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Check before each deployment. `token`: for UFM's REST API."""
        super().__init__(name, opts)
        members = introspection.with_ports(lambda plan: dict(plan.members))
        order = pulumi.Output.all(members, pulumi.Output.secret(token)).apply(
            lambda values: introspection.with_ca(plan, lambda plan: encode(gate_order(plan, *values)))
        )
        gate = undercloud.nodes_job(
            f"{name}-members",
            "gate",
            introspection.for_deployment(lambda plan: f": deployment {tripleo.deployment_digest(plan)}"),
            stdin=order,
            quiet=True,
            opts=self._child(*introspection.ready, *fabric.pkeys.values()),
        )
        self.ready = [gate]
        self.register_outputs({})


def gate_order(plan: Plan, members: dict[str, str], token: str) -> GateOrder:
    """Return the order of `nodes.py gate`. `members`: member name to port GUID; `token`: for UFM's REST API."""
    return GateOrder(
        ufm=ufm_access(plan, token),
        pkeys={control.pkey: control.network for control in plan.control_pkeys},
        members=members,
        limit=MINUTES * 60,
        pauses=PAUSES,
    )
