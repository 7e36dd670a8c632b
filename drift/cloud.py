"""The differences in what the undercloud sees: the last deployment, nova's services, ironic's nodes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from access.repair import MAINTENANCE, SERVICE
from drift.compare import unknown
from drift.expected import DEPLOY, Rack
from drift.finding import Finding, Severity
from onhost.drift.cloud import STATUS

NODES = "undercloud-nodes"
"""The step that registers nodes in ironic."""
LATER = 5.0
"""Seconds between the client's note of a deployment and the end of its job."""
DEPLOYED = "active"


def cloud_findings(host: str, rack: Rack, facts: Mapping[str, Any], jobs: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the differences. `jobs`: what the host knows of the last runs of jobs."""
    yield from _ironic(host, rack, facts["ironic"])
    if rack.deployment:
        yield from _services(rack, facts["services"])
        yield from _deployment(host, rack, facts["deployment"], jobs[DEPLOY])


def _services(rack: Rack, found: Mapping[str, Any]) -> Iterator[Finding]:
    if "fault" in found:
        yield unknown("OpenStack", "service", "nova's services", found["fault"], "see keystone, nova-api and haproxy")
        return
    names = {node.hostname: name for name, node in rack.nodes.items()}
    rows: Sequence[Mapping[str, Any]] = found["answer"]
    for row in rows:
        name, service = names.get(row["Host"], row["Host"]), f"{row['Binary']} on {row['Host']}"
        if row["State"] != "up":
            text, remedy = f"{service} is down", f"see podman ps -a and the logs of {row['Binary']} there"
            yield Finding(Severity.BROKEN, name, "service", text, remedy=remedy)
        if row["Status"] != "enabled":
            why = f": {row['Disabled Reason']}" if row.get("Disabled Reason") else ""
            step = f"{SERVICE}{name}" if row["Binary"] == "nova-compute" and name in rack.nodes else ""
            remedy = "" if step else f"openstack compute service set --enable {row['Host']} {row['Binary']}"
            yield Finding(Severity.BROKEN, name, "service", f"{service} is disabled{why}", (), step, remedy)
    known = {row["Host"] for row in rows if row["Binary"] == "nova-compute"}
    for name, node in rack.nodes.items():
        if node.order and node.order.kind == "compute" and node.hostname not in known:
            text = f"nova knows no compute {node.hostname}"
            yield Finding(Severity.BROKEN, name, "service", text, step=DEPLOY)


def _ironic(host: str, rack: Rack, found: Mapping[str, Any]) -> Iterator[Finding]:
    if "fault" in found:
        yield unknown(host, "node", "ironic's nodes", found["fault"], "see openstack baremetal node list")
        return
    there = {row["name"]: row for row in found["answer"]}
    for name, address in rack.registered.items():
        row = there.get(name)
        if row is None:
            yield Finding(Severity.BROKEN, name, "node", "ironic does not know it", step=NODES)
            continue
        if row["maintenance"]:
            text = "ironic has it in maintenance"
            yield Finding(Severity.DRIFT, name, "node", text, step=f"{MAINTENANCE}{name}")
        if row["address"] not in (None, address):
            text = f"ironic has the controller {row['address']} instead of {address}"
            yield Finding(Severity.DRIFT, name, "node", text, step=NODES)
        if rack.deployment and row["state"] != DEPLOYED:
            text, remedy = f"ironic has it in state {row['state']} instead of {DEPLOYED}", "see its console and ironic"
            yield Finding(Severity.BROKEN, name, "node", text, remedy=remedy)
    for name in sorted(there.keys() - rack.registered.keys()):
        remedy = f"add it to `nodes`, or: openstack baremetal node delete {name}"
        yield Finding(
            Severity.DRIFT, host, "node", f"ironic has a node {name}, which no step registered", remedy=remedy
        )


def _deployment(host: str, rack: Rack, found: Mapping[str, Any], job: Mapping[str, Any]) -> Iterator[Finding]:
    """Compare the last deployment with ours: by the key of its job, and by the client's own note of status and time."""

    def drift(text: str, severity: Severity = Severity.DRIFT) -> Finding:
        return Finding(severity, host, "deployment", f"deployment of {rack.stack}: {text}", step=DEPLOY)

    if "fault" in found or "fault" in job:
        yield unknown(host, "deployment", f"deployment of {rack.stack}", found.get("fault") or job["fault"])
        return
    noted, run = found["answer"], job["answer"]
    if run.get("key") != rack.deployment:
        yield drift("the last run of its job is not the one in the state")
    elif run.get("status") is None:
        text = f"deployment of {rack.stack}: its job is running, or was interrupted"
        yield Finding(Severity.UNKNOWN, host, "deployment", text, remedy="see /opt/rack-job status overcloud-deploy")
    elif run["status"] != 0:
        yield drift(f"its last run failed with status {run['status']}", Severity.BROKEN)
    elif noted and noted["status"] != "DEPLOY_SUCCESS":
        yield drift(f"~stack/{STATUS.format(rack.stack)} says {noted['status']}", Severity.BROKEN)
    elif noted and noted["at"] > (run["ended"] or 0) + LATER:
        yield drift("a deployment ran after the last run of its job, with other documents or options")
