"""Pacemaker's cluster of the controllers: pcs."""

from lab.hosts.call import Call
from lab.hosts.kinds.controller import Controller
from lab.hosts.outcomes import Refusal
from lab.hosts.registry import command


@command("pcs", Controller)
def pcs(call: Call[Controller]) -> None:
    """Run `cluster stop [--force]` or `status nodes`.

    Without --force, pcs 0.10 refuses to stop a node if the cluster would lose its quorum.
    """
    call.as_root()
    members = call.rack.deployed(Controller)
    online = [n for n in members if n.up and not n.state.cluster_stopped]
    words = list(call.argv[1:])
    if words == ["status", "nodes"]:
        names = " ".join(n.short_name for n in online)
        call.out(f"Pacemaker Nodes:\n Online: {names}\n Standby:\n Maintenance:\n Offline:")
        call.out("Pacemaker Remote Nodes:\n Online:\n Standby:\n Offline:")
        return
    if words[:2] != ["cluster", "stop"] or words[2:] not in ([], ["--force"]):
        raise Refusal("Usage: pcs cluster stop [--force] | pcs status nodes")
    left = len([n for n in online if n.name != call.host.name])
    if not call.host.state.cluster_stopped and left <= len(members) // 2 and not words[2:]:
        raise Refusal("Error: Stopping the node will cause a loss of the quorum, use --force to override")
    call.out("Stopping Cluster (pacemaker)...\nStopping Cluster (corosync)...")
    with call.host.change():
        call.host.state.cluster_stopped = True
