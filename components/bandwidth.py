"""The GPUDirect RDMA bandwidth test between two instances (B4 to B6). Its verdict is an output of the stack.

The instances are reached as in T7: from the DHCP namespace on a controller, as the image's user, with the private key
of the instances' key pair. The key travels by standard input and is on the controller only while the test runs.
"""

import shlex
from dataclasses import dataclass

import pulumi

from access.ssh import script
from components.base import Component, untracked
from components.external_access import ExternalAccess
from components.firmware import Firmware
from components.overcloud import Overcloud
from components.tenant import Tenant
from rack import tripleo
from rack.bandwidth import NoResultError, Result
from rack.plan import Plan
from rack.site import BandwidthSpec

LOGIN = """\
umask 077
folder=$(mktemp -d /run/rack-guests.XXXXXX)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
{ cat; echo; } > "$folder/key"
keys="-o IdentityFile=$folder/key -o IdentityFile=~/.ssh/id_ed25519 -o IdentityFile=~/.ssh/id_rsa"
at() {
  id=$1 guest=$2; shift 2
  NETNS ssh -o BatchMode=yes -o ConnectTimeout=10 -o StrictHostKeyChecking=accept-new -o HostKeyAlias=$id $keys \\
    "$guest" "$@"
}
enter() {
  tries=0
  until why=$(at "$1" "$2" true 2>&1); do
    tries=$((tries + 1))
    case $why in *'Permission denied'* | *'verification failed'*) tries=60 ;; esac
    case $why in
      *'Permission denied'*) hint="; HINT" ;;
      *) hint= ;;
    esac
    [ "$tries" -lt 60 ] || { echo "$3: cannot log in as $2: $(echo "$why" | tail -n 1)$hint" >&2; exit 1; }
    sleep 5
  done
}"""
"""Functions that run a command in a guest and wait until it has booted; NETNS enters the
namespace, HINT is the remedy.

A guest's host key exists only after its first boot, so it is accepted at the first contact and pinned to the instance's
ID from then on. Sites that gave root of the controllers a key of their own before there was a key pair still get in.
"""

HINT = (
    "write the user of the image as tenant.user; an instance that version 0.1.0 has created has no key pair:"
    " tenant.replaceInstances replaces it"
)
"""What to do where a guest refuses the key."""

OFED = (
    "{ ofed_info -s | awk -F '[-.]' '{ ok = $2 > 5 || $2 == 5 && $3 >= 6 } END { exit !ok }'; } ||"
    ' { echo "$(ofed_info -s) in the image; GPUDirect RDMA needs MLNX_OFED 5.6 or later (G2)" >&2; exit 1; }'
)


@dataclass(frozen=True)
class Guest:
    """How an instance is reached."""

    name: str
    address: str
    id: str


class Bandwidth(Component):
    """One run of ib_write_bw between two instances.

    It is repeated when its configuration changes, and when an instance, its compute or the firmware of the compute's
    adapter is another: the verdict belongs to them.
    """

    TYPE = "rack:tenant:Bandwidth"

    verdict: pulumi.Output[str]
    """`pass` or `fail`, with the measured bandwidth in Gb/s."""

    def __init__(
        self,
        name: str,
        test: BandwidthSpec,
        plan: Plan,
        overcloud: Overcloud,
        firmware: Firmware,
        tenant: Tenant,
        external: ExternalAccess | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Measure once the tenant's PKey has its members (T6) and floating IPs are associated."""
        super().__init__(name, opts)
        guests = [
            pulumi.Output.all(vm, tenant.summary[vm]["address"], tenant.instances[vm].id).apply(
                lambda found: Guest(*found)
            )
            for vm in (test.server, test.client)
        ]
        nodes = [plan.instance(vm).compute for vm in (test.server, test.client)]
        facts = [fact for node in nodes for fact in (overcloud.host_keys[node], firmware.held[node])]
        place = pulumi.Output.all(*nodes, *facts).apply(lambda found: tripleo.digest(*found))
        command = pulumi.Output.all(place, tenant.network.id, *guests).apply(
            lambda found: measure(test, plan.site.tenant.user, *found)
        )
        run = overcloud.controllers[0].run(
            f"{name}-ib-write-bw",
            untracked(command),
            stdin=tenant.login_key or "",
            quiet=True,
            opts=self._child(tenant.membership, *([external] if external else []), hooks=tenant.servers.user),
        )
        self.verdict = pulumi.Output.unsecret(run.stdout).apply(lambda output: judge(output, test.minimum_gbps))
        self.register_outputs({"verdict": self.verdict})


def judge(output: str, minimum_gbps: float) -> str:
    """Return the verdict on a measurement and warn about a failed one.

    Raises:
        RunError: the output has no result.
    """
    try:
        verdict = Result.parse(output).verdict(minimum_gbps)
    except NoResultError as error:
        raise pulumi.RunError(str(error)) from None
    if verdict.startswith("fail"):
        pulumi.log.warn(f"GPUDirect RDMA bandwidth {verdict}; see docs/failures.md")
    return verdict


def measure(test: BandwidthSpec, user: str, place: str, network: str, server: Guest, client: Guest) -> str:
    """Return the script for B4 and B5 on a controller. Another text measures again.

    `place`: a digest of the computes' identity and firmware.
    """
    cuda = " --use_cuda=0" if test.cuda else ""
    both = _prepare(test) if test.cuda else "true"
    at = {guest: f"{guest.id} {user}@{guest.address}" for guest in (server, client)}
    return script(
        f": computes {place}",
        LOGIN.replace("NETNS", f"ip netns exec qdhcp-{network}").replace("HINT", HINT),
        *(f"enter {at[guest]} {guest.name}" for guest in (server, client)),
        *(f"at {at[guest]} {shlex.quote(both)} >&2" for guest in (server, client)),
        f"at {at[server]} 'ib_write_bw --report_gbits -F{cuda} -s {test.size}' >&2 &",
        "server=$!",
        "tries=0",
        f"until at {at[client]} 'ib_write_bw --report_gbits -F{cuda} -s {test.size} {server.address}'; do",
        '  tries=$((tries + 1)); [ "$tries" -lt 10 ] || { echo "the client finds no server" >&2; exit 1; }; sleep 1',
        "done",
        "wait $server",
    )


def _prepare(test: BandwidthSpec) -> str:
    """Return the commands that prepare a guest's GPU (B4)."""
    commands = [
        OFED,
        "sudo modprobe nvidia-peermem",
        "lsmod | grep -q '^nvidia_peermem'",
        "sudo nvidia-smi -i 0 -pm 1",
        "nvidia-smi -i 0 --query-gpu=mig.mode.current --format=csv,noheader | grep -qi disabled",
    ]
    if test.clock_mhz is not None:
        commands.append(f"sudo nvidia-smi -i 0 -lgc {test.clock_mhz}")
    return " && ".join(commands)
