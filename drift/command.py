"""`python -m rack drift`: look at everything at the same time, and report."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from doctor.case import decrypted
from doctor.ssh import ProbedHost, SshError
from drift.cloud import cloud_findings
from drift.compare import digests, host_findings, ufm_findings, ufm_look, unknown
from drift.expected import DEPLOY, Expected, Rack, expected
from drift.finding import Finding, Severity
from drift.host import look
from drift.nodes import node_findings, node_look
from drift.refresh import RESOURCES, resource_findings
from drift.repair import counted, write
from drift.report import Report, report, written
from drift.state import State, exported, parse
from onhost.drift.orders import CloudLook, LookOrder
from rack.site import Site
from rack.site.load import load_stack_file, repairs

CLEAN, DRIFTED, INCOMPLETE = 0, 1, 3
"""Exit statuses; 2 is that of a command that fails."""


@dataclass(frozen=True)
class Options:
    """What to do, and how to report it."""

    stack: str
    form: str
    """terminal, markdown or json."""
    fail_on: Severity
    """The least severity that is a failure: drift or broken."""
    repair: bool
    """Count up the steps that repair what was found."""
    hosts_only: bool = False
    """Do not refresh: look at the hosts alone."""
    config_file: Path | None = None
    """The stack's file, where it is not Pulumi.STACK.yaml."""

    @property
    def file(self) -> Path:
        """Return the stack's file."""
        return self.config_file or Path(f"Pulumi.{self.stack}.yaml")

    @property
    def config_words(self) -> list[str]:
        """Return Pulumi's option for a file elsewhere."""
        return ["--config-file", str(self.config_file)] if self.config_file else []

    @property
    def pulumi(self) -> list[str]:
        """Return the program with options for the stack."""
        return ["pulumi", "--non-interactive", "--stack", self.stack]


def run(options: Options) -> int:
    """Print the report and return the exit status: 0 no drift, 1 drift, 3 something could not be looked at.

    Raises:
        StateError: the stack's state cannot be read.
        ConfigError: the stack's file is invalid.
        OSError: it cannot be read.
        RepairError: the configuration cannot be written.
    """
    found = looked_at(options).report
    print(written(found, options.form, coloured=sys.stdout.isatty()), end="")
    if options.repair and found.steps:
        count_up(options, found)
    failing = [s for s in (Severity.BROKEN, Severity.DRIFT) if s is Severity.BROKEN or options.fail_on is s]
    if any(found.count(severity) for severity in failing):
        return DRIFTED
    return INCOMPLETE if found.count(Severity.UNKNOWN) else CLEAN


@dataclass(frozen=True)
class Look:
    """A look at the whole rack."""

    site: Site
    state: State
    rack: Rack
    titles: Mapping[str, str]
    """Address of a host → its title."""
    facts: Mapping[str, Mapping[str, Any]]
    """Address of a host → what was seen there; hosts that could not be entered are missing."""
    report: Report


def looked_at(options: Options, *, instances: bool = False) -> Look:
    """Look at the whole rack. `instances`: list those of the computes, too.

    Raises:
        StateError: the stack's state cannot be read.
        ConfigError: the stack's file is invalid.
        OSError: it cannot be read.
    """
    site = load_stack_file(options.file)
    state = parse(exported(options.pulumi))
    rack = expected(state)
    passwords, _ = decrypted(options.stack)
    secrets = {*state.secrets, *_texts(passwords)}
    titles, facts = _titles(site), dict[str, Mapping[str, Any]]()
    looks: dict[str, Callable[[], Iterator[Finding]]] = {
        titles.get(address, address): _host(site, rack, titles.get(address, address), address, facts, instances)
        for address in rack.hosts
    }
    if not options.hosts_only:
        looks[RESOURCES] = lambda: resource_findings(options.stack, options.config_words)
    with ThreadPoolExecutor(len(looks)) as pool:
        found = [finding for part in pool.map(lambda title: _safely(title, looks[title]), looks) for finding in part]
    told = report(options.stack, (*looks, *rack.nodes), [*_interrupted(state), *found], secrets)
    return Look(site, state, rack, titles, facts, told)


def _interrupted(state: State) -> Iterator[Finding]:
    if state.running:
        text = "the state has unfinished operations: an `up` is under way, or was killed"
        yield Finding(Severity.UNKNOWN, RESOURCES, "resource", text, remedy="wait, or run: python -m rack recover")


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts in the secrets of the configuration."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, str):
        yield from (line.strip() for line in value.splitlines() if len(line.strip()) > 2)


def _titles(site: Site) -> Mapping[str, str]:
    addresses = {
        "UFM host": site.ufm.ssh_address if site.ufm.host else None,
        "undercloud": site.undercloud.ssh_address,
        "build host": site.builder.address if site.builder else None,
    }
    return {str(address): f"{name} ({address})" for name, address in addresses.items() if address}


def _safely(title: str, ask: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """Return the findings of one look; an unexpected error does not hide those of the others."""
    try:
        return list(ask())
    except Exception as unexpected:
        fault = f"{type(unexpected).__name__}: {unexpected}"
        return [unknown(title, "connection", "the look failed", fault, "report this as a bug")]


def _host(
    site: Site, rack: Rack, title: str, address: str, seen: dict[str, Mapping[str, Any]], instances: bool
) -> Callable[[], Iterator[Finding]]:
    """Return the look at one host, which notes what it has seen in `seen`."""
    host = ProbedHost(title.partition(" (")[0], address, site.ssh)
    return lambda: _look(host, title, rack, rack.hosts[address], seen, instances)


def _look(
    host: ProbedHost, title: str, rack: Rack, wanted: Expected, seen: dict[str, Mapping[str, Any]], instances: bool
) -> Iterator[Finding]:
    ufm = rack.ufm if host.address == rack.ufm_host else None
    cloud = _cloud(rack, instances) if host.address == rack.undercloud else None
    order = LookOrder(
        files=digests(wanted),
        units=list(wanted.units),
        jobs=[DEPLOY] if cloud and rack.deployment else [],
        options={},
        deployed=False,
        ufm=ufm_look(ufm) if ufm else None,
        cloud=cloud,
    )
    try:
        facts = seen[host.address] = look(host, order)
    except SshError as problem:
        yield unknown(title, "connection", f"SSH as {host.ssh.user} fails", str(problem), "see `python -m rack doctor`")
        return
    yield from host_findings(title, wanted, facts)
    if ufm:
        yield from ufm_findings(title, ufm, facts["ufm"])
    if cloud and "fault" in facts["cloud"]:
        yield unknown(title, "connection", "user stack", facts["cloud"]["fault"])
    elif cloud:
        there = facts["cloud"]["answer"]
        yield from cloud_findings(title, rack, there, facts["jobs"])
        for name in there["nodes"]:
            yield from node_findings(name, rack.nodes[name], there["nodes"][name])


def _cloud(rack: Rack, instances: bool) -> CloudLook:
    looks = [
        node_look(name, node, node.order, deployed=bool(rack.deployment))
        for name, node in rack.nodes.items()
        if node.order and node.host_key
    ]
    computes = [node.hostname for node in rack.nodes.values() if node.order and node.order.kind == "compute"]
    return CloudLook(rack.stack, bool(rack.deployment), looks, computes if instances and rack.deployment else [])


def count_up(options: Options, found: Report) -> None:
    """Write the new counters and say which.

    Raises:
        RepairError: Pulumi refuses to write them.
    """
    config: Mapping[str, Any] = (yaml.safe_load(options.file.read_text()) or {}).get("config") or {}
    counters = counted(repairs(config.get("rack:repair", config.get("repair"))), found.steps)
    write([*options.pulumi, *options.config_words], counters)
    names: Sequence[str] = [f"{step} ({number})" for step, number in counters.items()]
    print(f"{options.file}: rack:repair counts up {', '.join(names)}; now run pulumi up", file=sys.stderr)
