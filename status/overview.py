"""What `rack status` shows: from a look at the rack and from the outputs of the last `up`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from drift.command import Look
from drift.finding import Finding, Severity
from drift.report import hidden

GATE, BANDWIDTH = "gate-members", "bandwidth-ib-write-bw"
"""Names of the steps whose results are shown."""
UNKNOWN = "unknown"


@dataclass(frozen=True)
class HostState:
    """A host."""

    name: str
    role: str
    state: str
    """`up`, what ironic says of a node, or why the host cannot be entered."""
    findings: int
    """Number of differences that were found there."""


@dataclass(frozen=True)
class PKeyState:
    """A control PKey."""

    network: str
    members: str
    """As of the last `up`, e.g. `0xb: 5 members`."""
    differs: str
    """What a refresh finds; empty if it finds nothing."""


@dataclass(frozen=True)
class ComputeState:
    """A compute."""

    name: str
    service: str
    """Status and state of nova-compute."""
    instances: tuple[str, ...]
    gpus: int | None
    """None where they could not be counted."""
    free: int | None
    """GPUs without the stack's instances; None if instances of others may have some."""


@dataclass(frozen=True)
class CheckState:
    """The result of a check of the last `up`."""

    name: str
    result: str
    at: str
    """When it ran."""


@dataclass(frozen=True)
class Overview:
    """Everything that is shown."""

    stack: str
    ufm: str
    """Release."""
    hosts: tuple[HostState, ...]
    pkeys: tuple[PKeyState, ...]
    computes: tuple[ComputeState, ...]
    checks: tuple[CheckState, ...]
    bandwidth: str
    drift: str
    counts: Mapping[str, int]
    """Number of findings by severity."""


def overview(look: Look) -> Overview:
    """Return the overview of a look at the rack."""
    outputs, report = look.state.outputs, look.report
    return Overview(
        stack=report.stack,
        ufm=str((outputs.get("ufm") or {}).get("version", UNKNOWN)),
        hosts=tuple(_hosts(look)),
        pkeys=tuple(_pkeys(look)),
        computes=tuple(_computes(look)),
        checks=tuple(_checks(look)),
        bandwidth=_safe(look, str(outputs.get("bandwidth", UNKNOWN))),
        drift=report.headline,
        counts={str(severity): report.count(severity) for severity in Severity},
    )


def _safe(look: Look, text: str) -> str:
    """Return a text of the state without the stack's secrets."""
    return hidden(text, look.state.secrets)


def _about(look: Look, *names: str) -> list[Finding]:
    return [finding for finding in look.report.findings if finding.host in names]


def _hosts(look: Look) -> Iterator[HostState]:
    for address in look.rack.hosts:
        title = look.titles.get(address, address)
        found = _about(look, title)
        why = next((f.found for f in found if f.kind == "connection"), "not entered")
        state = "up" if address in look.facts else why
        yield HostState(title, title.partition(" (")[0], state, len(found))
    ironic = {row["name"]: row for row in _answer(look, "ironic") or ()}
    for name, node in look.rack.nodes.items():
        found = _about(look, name)
        away = next((f.found for f in found if f.kind == "connection"), "")
        row = ironic.get(name)
        said = f"{row['state']}{', maintenance' if row['maintenance'] else ''}" if row else UNKNOWN
        yield HostState(
            f"{name} ({node.address})", node.order.kind if node.order else "node", away or f"up, {said}", len(found)
        )


def _pkeys(look: Look) -> Iterator[PKeyState]:
    found = _about(look, "UFM")
    for network, members in sorted((look.state.outputs.get("pkeys") or {}).items()):
        differs = next((f.found for f in found if f"({network})" in f.found), "")
        yield PKeyState(network, str(members), differs)


def _answer(look: Look, part: str) -> Any:
    """Return a part of what user stack sees; None if it could not be seen."""
    return _cloud(look).get(part, {}).get("answer")


def _computes(look: Look) -> Iterator[ComputeState]:
    services = {row["Host"]: row for row in _answer(look, "services") or () if row["Binary"] == "nova-compute"}
    servers: Mapping[str, Any] = _answer(look, "servers") or {}
    own = {vm.name for vm in look.site.tenant.instances}
    for name, node in look.rack.nodes.items():
        if not (node.order and node.order.kind == "compute"):
            continue
        row, there = services.get(node.hostname), servers.get(node.hostname, ())
        gpus, names = _gpus(look, name), [server["name"] for server in there]
        counted = gpus is not None and node.hostname in servers and set(names) <= own
        used = len(names) * look.site.tenant.flavor.gpus
        yield ComputeState(
            name=name,
            service=f"{row['Status']}, {row['State']}" if row else UNKNOWN,
            instances=tuple(f"{server['name']} ({server['status']})" for server in there),
            gpus=gpus,
            free=gpus - used if counted and gpus is not None else None,
        )


def _gpus(look: Look, name: str) -> int | None:
    """Return how many GPUs of the configured model the node has."""
    answer = ((_cloud(look).get("nodes", {}).get(name) or {}).get("answer") or {}).get("adapter", {}).get("answer", {})
    parts = str(answer.get("bridges", "")).split("--\n")
    return len(parts[1].splitlines()) if len(parts) == 3 else None


def _cloud(look: Look) -> Mapping[str, Any]:
    """Return what user stack sees; empty if it saw nothing."""
    cloud: Mapping[str, Any] = look.facts.get(look.rack.undercloud, {}).get("cloud", {}).get("answer", {})
    return cloud


def _checks(look: Look) -> Iterator[CheckState]:
    gate, test = look.state.steps.get(GATE), look.state.steps.get(BANDWIDTH)
    if gate:
        last = (gate.printed.strip().splitlines() or ["passed"])[-1]
        yield CheckState("members of the control PKeys (I4)", _safe(look, last), _seconds(gate.at))
    if test:
        yield CheckState("GPUDirect RDMA (B4)", str(look.state.outputs.get("bandwidth", UNKNOWN)), _seconds(test.at))


def _seconds(time: str) -> str:
    """Return a time of the state without its fractions: `2026-12-01T14:21:50Z`."""
    return f"{time.partition('.')[0]}Z" if "." in time else time
