"""Introspection and the gate before the overcloud (I1, I2, I4).

What this component enforces: nothing is deployed before every control PKey has every member as a full one, and UFM has
shown the port of each in the fabric. Nodes are introspected when they are new, and again while their ports are not
seen; then configured and provided. At the time limit the step fails and names node, port, GUID and PKey.

The work is `introspect.py`'s, which runs on the undercloud as stack; this component ships it and says what to do. The
control PKeys exist before it begins (I3), for the ports of nodes that are off cannot be looked up any more.
"""

import json
from importlib.resources import files
from typing import Any

import pulumi

from components.fabric import Fabric
from components.ssh import as_stack
from components.undercloud import Undercloud
from rack import tripleo
from rack.plan import Plan

PROGRAM = "/home/stack/introspect.py"
RECORD = "/home/stack/introspection.json"
"""What introspect.py has done and seen."""
PAUSES = (0.5, 10.0)
"""Seconds between two looks at UFM, the first and the longest: an agent stays up for minutes."""
PROVIDING = 60
"""Minutes that cleaning may take beyond the time limit for introspection."""


class Introspection(pulumi.ComponentResource):
    nodes: pulumi.Output[str]
    """The inventory, ready for deployment, as `openstack baremetal node list -f json` prints it."""

    def __init__(
        self,
        name: str,
        plan: Plan,
        undercloud: Undercloud,
        fabric: Fabric,
        token: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`token`: for UFM's REST API."""
        super().__init__("rack:cloud:Introspection", name, None, opts)
        text = files(__package__).joinpath("introspect.py").read_text()
        program = undercloud.host.file(
            f"{name}-program",
            PROGRAM,
            text,
            owner="stack",
            opts=pulumi.ResourceOptions(parent=self, depends_on=undercloud.ready),
        )
        minutes = plan.site.undercloud.introspection_minutes
        gate = undercloud.host.job(
            f"{name}-nodes",
            as_stack(f": program {tripleo.digest(text)}", ". ~/stackrc", f"exec python3 {PROGRAM}"),
            stdin=pulumi.Output.secret(token).apply(lambda token: json.dumps(order(plan, token))),
            delete=f"rm -f {RECORD}",
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[program, *fabric.pkeys.values()],
                custom_timeouts=pulumi.CustomTimeouts(
                    create=f"{minutes + PROVIDING}m", update=f"{minutes + PROVIDING}m"
                ),
            ),
        )
        self.nodes = gate.stdout
        self.ready: list[pulumi.Resource] = [gate]
        """What must be done before the overcloud can be deployed."""
        self.register_outputs({"nodes": self.nodes})


def order(plan: Plan, token: str) -> dict[str, Any]:
    """What `introspect.py` reads: all of it follows from the plan but the token. Times in seconds.

    Raises:
        RunError: the file of UFM's certificate authority can't be read.
    """
    ufm, undercloud = plan.site.ufm, plan.site.undercloud
    try:
        authority = ufm.ca_file.expanduser().read_text() if ufm.ca_file else None
    except OSError as error:
        raise pulumi.RunError(f"ufm.caFile: can't read {ufm.ca_file}: {error.strerror}") from None
    return {
        "ufm": {"url": ufm.url, "ca": authority, "insecure": ufm.insecure, "token": token},
        "nodes": [host.name for host in plan.hosts],
        "pkeys": [{"network": p.network, "pkey": p.pkey, "members": dict(p.members)} for p in plan.control_pkeys],
        "boot_mode": undercloud.boot_mode,
        "repeats": undercloud.introspection_repeats,
        "limit": undercloud.introspection_minutes * 60,
        "pauses": PAUSES,
        "record": RECORD,
    }
