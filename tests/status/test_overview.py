"""`rack status`: what it shows, from a look at the rack."""

import json
from dataclasses import replace
from typing import Any

import pytest

from drift.command import Look, Options
from drift.expected import Rack
from drift.finding import Finding, Severity
from drift.report import report
from drift.state import State
from rack.__main__ import main
from rack.plan import Plan
from status import command
from status.overview import overview

OUTPUTS: dict[str, Any] = {
    "ufm": {"version": "6.14.5-2"},
    "pkeys": {"Storage": "0xb: 5 members", "InternalApi": "0xc: 5 members"},
    "bandwidth": "pass: 194.23 Gb/s average of 32768-byte writes (at least 190)",
    "guestKey": "s3cret",
}
FINDINGS = (
    Finding(Severity.BROKEN, "UFM", "resource", "PKey 0xb (Storage) differs: members", remedy="refresh"),
    Finding(Severity.UNKNOWN, "compute-2", "connection", "it cannot be entered: no route"),
)


@pytest.fixture
def look(promised: Rack, state: State, plan: Plan, node_facts: dict[str, Any]) -> Look:
    """Return a look at a rack on which compute-2 is away, and compute-1 has one of the stack's instances."""
    services = [
        {"Binary": "nova-compute", "Host": node.hostname, "Status": "enabled", "State": "up"}
        for name, node in promised.nodes.items()
        if name.startswith("compute")
    ]
    compute = promised.nodes["compute-1"].hostname
    cloud = {
        "ironic": {"answer": [{"name": n, "state": "active", "maintenance": False} for n in promised.nodes]},
        "services": {"answer": services},
        "servers": {"answer": {compute: [{"name": "vm1_gpu", "status": "ACTIVE"}]}},
        "nodes": {"compute-1": {"answer": node_facts}, "compute-2": {"fault": "no route"}},
    }
    facts: dict[str, dict[str, Any]] = {
        promised.ufm_host: {"ufm": {}},
        promised.undercloud: {"cloud": {"answer": cloud}},
    }
    titles = {promised.undercloud: f"undercloud ({promised.undercloud})", promised.ufm_host: "UFM host"}
    told = report("dev", ("undercloud", "UFM host", *promised.nodes), FINDINGS, ())
    return Look(plan.site, replace(state, outputs=OUTPUTS), promised, titles, facts, told)


def test_every_host_is_listed_with_its_state(look: Look) -> None:
    hosts = {host.name: host for host in overview(look).hosts}
    assert len(hosts) == 2 + 5
    assert hosts["undercloud (127.0.24.1)"].state == "up"
    assert hosts["controller-1 (127.0.24.11)"].state == "up, active"
    assert hosts["compute-2 (127.0.24.22)"].state == "it cannot be entered: no route"
    assert hosts["compute-2 (127.0.24.22)"].findings == 1


def test_a_host_that_was_not_entered_has_the_reason(look: Look) -> None:
    away = Finding(Severity.UNKNOWN, "UFM host", "connection", "SSH as root fails: timed out")
    changed = replace(look, facts={}, report=report("dev", (), [away], ()))
    assert overview(changed).hosts[0].state == "SSH as root fails: timed out"
    assert {c.gpus for c in overview(changed).computes} == {None}


def test_a_pkey_shows_its_members_and_what_differs(look: Look) -> None:
    pkeys = {p.network: p for p in overview(look).pkeys}
    assert (pkeys["InternalApi"].members, pkeys["InternalApi"].differs) == ("0xc: 5 members", "")
    assert pkeys["Storage"].differs == "PKey 0xb (Storage) differs: members"


def test_a_compute_shows_its_instances_and_free_gpus(look: Look) -> None:
    first, second = overview(look).computes
    assert (first.service, first.instances, first.gpus, first.free) == ("enabled, up", ("vm1_gpu (ACTIVE)",), 1, 0)
    assert (second.instances, second.gpus, second.free) == ((), None, None), "it could not be entered"


def test_gpus_of_foreign_instances_are_not_guessed(look: Look) -> None:
    servers = look.facts[look.rack.undercloud]["cloud"]["answer"]["servers"]["answer"]
    servers[look.rack.nodes["compute-1"].hostname].append({"name": "own", "status": "ACTIVE"})
    assert overview(look).computes[0].free is None


def test_the_last_bandwidth_and_checks_have_a_time(look: Look) -> None:
    steps = {
        **look.state.steps,
        "bandwidth-ib-write-bw": replace(look.state.steps["bandwidth-ib-write-bw"], at="2026-12-01T14:21:50.296Z"),
    }
    found = overview(replace(look, state=replace(look.state, steps=steps)))
    assert found.bandwidth.startswith("pass: 194.23 Gb/s")
    assert [(check.name, check.at) for check in found.checks][-1] == ("GPUDirect RDMA (B4)", "2026-12-01T14:21:50Z")


def test_json_has_everything_but_secrets(look: Look) -> None:
    text = command.as_text(overview(look))
    found = json.loads(text)
    assert found["counts"] == {"broken": 1, "drift": 0, "unknown": 1}
    assert found["drift"] == "1 broken, 1 not looked at, at 2 places"
    assert not [secret for secret in (*look.state.secrets, str(OUTPUTS["guestKey"])) if secret in text]


def test_the_terminal_shows_aligned_tables(look: Look) -> None:
    shown = command.terminal(overview(look), coloured=False)
    assert shown.startswith("dev  UFM 6.14.5-2; 1 broken, 1 not looked at, at 2 places\n\nHosts\n")
    assert "  compute-1  enabled, up  0 of 1 GPUs free  vm1_gpu (ACTIVE)\n" in shown
    assert "  compute-2  enabled, up  GPUs unknown      no instances\n" in shown
    coloured = command.terminal(overview(look), coloured=True)
    assert "\033[32menabled, up\033[0m" in coloured


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_the_command_asks_for_instances(
    look: Look, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, bool]] = []

    def looked_at(options: Options, *, instances: bool) -> Look:
        asked.append((options.stack, instances))
        return look

    monkeypatch.setattr(command, "looked_at", looked_at)
    assert main(["status", "--stack=dev", *words]) == 0
    assert asked == [("dev", True)]
    assert capsys.readouterr().out.startswith("{" if words else "dev  UFM")
