"""The GPUDirect RDMA bandwidth test between two instances (B4 to B6). Its verdict is an output of the stack.

The instances are reached as in T7: from the DHCP namespace on a controller, with the ssh key in the guest image.
"""

import shlex

import pulumi

from components.base import Component
from components.external_access import ExternalAccess
from components.overcloud import Overcloud
from components.ssh import script
from components.tenant import Tenant
from rack.bandwidth import NoResultError, Result
from rack.plan import Plan
from rack.site import BandwidthSpec


class Bandwidth(Component):
    """One run of ib_write_bw between two instances, repeated when its configuration changes."""

    TYPE = "rack:tenant:Bandwidth"

    verdict: pulumi.Output[str]
    """`pass` or `fail`, with the measured bandwidth in Gb/s."""

    def __init__(
        self,
        name: str,
        test: BandwidthSpec,
        plan: Plan,
        overcloud: Overcloud,
        tenant: Tenant,
        external: ExternalAccess | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Measure once the tenant's PKey has its members (T6) and floating IPs are associated."""
        super().__init__(name, opts)
        addresses = [tenant.summary[vm]["address"] for vm in (test.server, test.client)]
        command = pulumi.Output.all(tenant.network.id, *addresses).apply(
            lambda found: _measure(test, plan.site.tenant.user, *found)
        )
        run = overcloud.controllers[0].run(
            f"{name}-ib-write-bw",
            command,
            opts=self._child(tenant.membership, *([external] if external else [])),
        )
        self.verdict = run.stdout.apply(lambda output: _judge(output, test.minimum_gbps))
        self.register_outputs({"verdict": self.verdict})


def _judge(output: str, minimum_gbps: float) -> str:
    """Return the verdict on a measurement and warn about a failed one.

    Raises:
        RunError: the output has no result.
    """
    try:
        verdict = Result.parse(output).verdict(minimum_gbps)
    except NoResultError as error:
        raise pulumi.RunError(str(error)) from None
    if verdict.startswith("fail"):
        pulumi.log.warn(f"GPUDirect RDMA bandwidth {verdict}; see docs/operations.md")
    return verdict


def _measure(test: BandwidthSpec, user: str, network: str, server: str, client: str) -> str:
    """Return the script for B4 and B5 on a controller. Another text measures again.

    The guests' host keys exist only after their first boot, so they are accepted at the first contact.
    """
    cuda = " --use_cuda=0" if test.cuda else ""
    prepare = [
        "sudo modprobe nvidia-peermem",
        "lsmod | grep -q '^nvidia_peermem'",
        "sudo nvidia-smi -i 0 -pm 1",
        "nvidia-smi -i 0 --query-gpu=mig.mode.current --format=csv,noheader | grep -qi disabled",
    ]
    if test.clock_mhz is not None:
        prepare.append(f"sudo nvidia-smi -i 0 -lgc {test.clock_mhz}")
    guest = f"ip netns exec qdhcp-{network} ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new {user}@"
    both = " && ".join(prepare) if test.cuda else "true"
    return script(
        f'at() {{ host=$1; shift; {guest}$host "$@"; }}',
        f"for vm in {server} {client}; do at $vm {shlex.quote(both)} >&2; done",
        f"at {server} 'ib_write_bw --report_gbits -F{cuda} -s {test.size}' >&2 &",
        "server=$!",
        "tries=0",
        f"until at {client} 'ib_write_bw --report_gbits -F{cuda} -s {test.size} {server}'; do",
        '  tries=$((tries + 1)); [ "$tries" -lt 10 ] || { echo "the client finds no server" >&2; exit 1; }; sleep 1',
        "done",
        "wait $server",
    )
