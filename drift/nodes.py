"""The differences of an overcloud node: adapter, ACS, containers, Neutron's options, and its files and units."""

from collections.abc import Iterator, Mapping
from typing import Any

from access.repair import CONTAINERS
from drift.compare import digests, host_findings, unknown
from drift.expected import DEPLOY, ExpectedNode
from drift.finding import Finding, Severity
from onhost.drift.orders import AdapterLook, LookOrder, NodeLook
from onhost.undercloud.adapter import release_faults, settings
from onhost.undercloud.orders import WaveOrder
from onhost.undercloud.pcie import parse_bridges
from rack.tripleo.deployment import ML2_FILE

TOOLS = ("mstconfig", "mlxconfig")
"""Programs that read an adapter's settings: of mstflint and of MFT."""
KEPT = ("SRIOV_EN", "NUM_OF_VFS")
"""Settings that a deployed node keeps until it is deployed anew (onhost/undercloud/adapter.py)."""

EMPTY = "stop or move the instances of the compute first, unless `firmware.instances` is `drain`"
"""What the wave requires before it changes a compute."""


def node_look(name: str, node: ExpectedNode, order: WaveOrder, deployed: bool) -> NodeLook:
    """Return what is looked at on a node."""
    adapter = AdapterLook(
        device=order.device,
        tools=list(TOOLS) if order.tool == "auto" else [order.tool],
        gpu=order.gpu if order.kind == "compute" else None,
    )
    asked = LookOrder(
        files=digests(node),
        units=list(node.units),
        jobs=[],
        options={ML2_FILE: list(node.options)} if node.options else {},
        deployed=deployed,
        adapter=adapter,
    )
    return NodeLook(name, node.address, node.host_key, order.ssh, asked)


def node_findings(name: str, node: ExpectedNode, found: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the differences of a node."""
    if "fault" in found:
        text = f"it cannot be entered from the undercloud: {found['fault']}"
        yield Finding(Severity.UNKNOWN, name, "connection", text, remedy="see its console; is it up?")
        return
    facts = found["answer"]
    yield from host_findings(name, node, facts)
    if node.order:
        yield from _adapter(name, node.wave, node.order, facts["adapter"])
    if "containers" in facts:
        yield from _containers(name, facts["containers"])
    if node.options:
        yield from _options(name, node.options, facts["options"][ML2_FILE])


def _adapter(name: str, wave: str, order: WaveOrder, found: Mapping[str, Any]) -> Iterator[Finding]:
    if "fault" in found:
        yield unknown(name, "firmware", "adapter", found["fault"], "see lspci on the node")
        return
    facts = found["answer"]
    yield from _firmware(name, wave, order, facts)
    if facts["bridges"]:
        bridges = parse_bridges(facts["bridges"])
        for bridge, on in bridges.acs().items():
            if not on:
                text = f"PCIe bridge {bridge}: ACS direct translation is off"
                yield Finding(Severity.BROKEN, name, "acs", text, step=wave, remedy=EMPTY)
        request = bridges.read_request(order.device)
        if order.read_request not in (None, request):
            text = f"adapter {order.device}: MaxReadReq is {request} instead of {order.read_request} bytes"
            yield Finding(Severity.DRIFT, name, "acs", text, step=wave)


def _firmware(name: str, wave: str, order: WaveOrder, facts: Mapping[str, Any]) -> Iterator[Finding]:
    for fault in release_faults(facts["release"], order.minimum_release, order.device):
        text, _, remedy = fault.partition("; ")
        yield Finding(Severity.DRIFT, name, "firmware", text, remedy=remedy)
    shown = settings(facts["settings"])
    for parameter, wanted in order.settings.items():
        value = shown.get(parameter)
        kept = parameter in KEPT and bool(value) and order.kind == "compute"
        remedy = "a deployed node keeps its VFs; remove it from `nodes`, `pulumi up`, and add it again (H2)"
        if value is None:
            text = f"adapter {order.device}: it shows no {parameter}, which should be {wanted}"
        elif value.current != str(wanted):
            text = f"adapter {order.device}: {parameter} is {value.current} instead of {wanted}"
        elif value.following != str(wanted):
            text = f"adapter {order.device}: {parameter} becomes {value.following} instead of {wanted} at the next boot"
            kept = False
        else:
            continue
        before = EMPTY if order.kind == "compute" and value and value.current != str(wanted) else ""
        yield Finding(
            Severity.DRIFT, name, "firmware", text, step="" if kept else wave, remedy=remedy if kept else before
        )


def _containers(name: str, found: Mapping[str, Any]) -> Iterator[Finding]:
    if "fault" in found:
        yield unknown(name, "container", "containers", found["fault"])
        return
    there = found["answer"]["found"]
    start = f"{CONTAINERS}{name}"
    for container, image in sorted(found["answer"]["expected"].items()):
        real, status = there.get(container, ("", ""))
        if not status.startswith("Up"):
            state = status.lower() or "it does not exist"
            yield Finding(Severity.BROKEN, name, "container", f"container {container}: {state}", step=start)
        elif "(unhealthy)" in status:
            remedy = f"see podman logs {container}"
            yield Finding(Severity.BROKEN, name, "container", f"container {container}: unhealthy", remedy=remedy)
        if real and real != image:
            text = f"container {container}: it has the image {real} instead of {image}"
            yield Finding(Severity.DRIFT, name, "container", text, step=DEPLOY)


def _options(name: str, wanted: Mapping[str, str], found: Mapping[str, Any]) -> Iterator[Finding]:
    if "fault" in found:
        yield unknown(name, "option", ML2_FILE, found["fault"])
    elif found["answer"] is None:
        yield Finding(Severity.BROKEN, name, "option", f"{ML2_FILE}: it is missing", step=DEPLOY)
    else:
        pairs = ((option, value, found["answer"][option]) for option, value in wanted.items())
        lines = [
            line
            for option, value, real in pairs
            if real is None or value.lower() != real.lower()
            for line in (f"-{option} = {value}", *([f"+{option} = {real}"] if real is not None else []))
        ]
        if lines:
            text = f"{ML2_FILE}: the options of the deployment differ"
            yield Finding(Severity.DRIFT, name, "option", text, tuple(lines), DEPLOY)
