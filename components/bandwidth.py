"""The GPUDirect RDMA test between two instances (B4 to B6), its verdict an output of the stack.

The instances are reached as in T7: from the DHCP namespace on a controller, by the ssh key in the guest image.
"""

import shlex

import pulumi

from components.external_access import ExternalAccess
from components.overcloud import Overcloud
from components.ssh import as_root
from components.tenant import Tenant
from rack.bandwidth import NoResultError, Result
from rack.plan import Plan
from rack.site import BandwidthSpec


class Bandwidth(pulumi.ComponentResource):
    verdict: pulumi.Output[str]

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
        super().__init__("rack:tenant:Bandwidth", name, None, opts)
        addresses = [tenant.summary[vm]["address"] for vm in (test.server, test.client)]
        command = pulumi.Output.all(tenant.network.id, *addresses).apply(
            lambda found: _measure(test, plan.site.tenant.user, *found)
        )
        run = overcloud.controllers[0].run(
            f"{name}-ib-write-bw",
            command,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[tenant.membership, *([external] if external else [])]),
        )
        self.verdict = run.stdout.apply(lambda output: _judge(output, test.minimum_gbps))
        self.register_outputs({"verdict": self.verdict})


def _judge(output: str, minimum_gbps: float) -> str:
    try:
        verdict = Result.parse(output).verdict(minimum_gbps)
    except NoResultError as error:
        raise pulumi.RunError(str(error)) from None
    if verdict.startswith("fail"):
        pulumi.log.warn(f"GPUDirect RDMA bandwidth {verdict}; see docs/operations.md")
    return verdict


def _measure(test: BandwidthSpec, user: str, network: str, server: str, client: str) -> str:
    """B4 and B5 in both guests, driven from the DHCP namespace.

    The guests' host keys exist only once they have booted; they are learnt at first contact, on the controller.
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
    return as_root(
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
