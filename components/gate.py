"""The gate before a deployment (I4): every control PKey has every member, a full one, as UFM says then.

What this component enforces: no deployment begins, the first or a later one, while a node would come up without its
control networks. It waits with progress, for UFM may just restart, and names node, port, GUID and PKey at its limit.
"""

import json
from typing import Any

import pulumi

from components.fabric import Fabric
from components.introspection import Introspection, api
from components.undercloud import PAUSES, Undercloud
from rack import tripleo
from rack.plan import Plan

MINUTES = 15
"""Of waiting: UFM takes some to restart; what it has not by then, nobody is writing."""


class Gate(pulumi.ComponentResource):
    ready: list[pulumi.Resource]
    """What must be done before the overcloud can be deployed."""

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
        """`token`: for UFM's REST API."""
        super().__init__("rack:fabric:Gate", name, None, opts)
        members = introspection.known(lambda plan: dict(plan.members))
        told = pulumi.Output.all(members, pulumi.Output.secret(token)).apply(
            lambda told: json.dumps(order(plan, *told))
        )
        gate = undercloud.nodes_job(
            f"{name}-members",
            "gate",
            introspection.known(lambda plan: f": deployment {tripleo.deployment_digest(plan)}"),
            stdin=told,
            quiet=True,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*introspection.ready, *fabric.pkeys.values()],
                custom_timeouts=pulumi.CustomTimeouts(create=f"{2 * MINUTES}m", update=f"{2 * MINUTES}m"),
            ),
        )
        self.ready = [gate]
        self.register_outputs({})


def order(plan: Plan, members: dict[str, str], token: str) -> dict[str, Any]:
    """What `nodes.py gate` reads. Times in seconds."""
    return {
        "ufm": api(plan.site.ufm, token),
        "pkeys": {control.pkey: control.network for control in plan.control_pkeys},
        "members": members,
        "limit": MINUTES * 60,
        "pauses": PAUSES,
    }
