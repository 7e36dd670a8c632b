"""`python -m rack drift`: exit status, merge with a refresh, counters; with a `pulumi` that records its calls."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from doctor.ssh import ProbedHost, SshError
from drift import command
from drift.compare import sha256
from drift.expected import Rack
from drift.refresh import resource_findings
from drift.state import State
from onhost.drift.orders import LookOrder
from rack.__main__ import SEVERITIES, main
from tests.components.conftest import SDN_TOKEN, SECRETS, Recorder
from tests.drift.conftest import as_promised, document
from tests.review.record import PREVIEWS, STACK

PULUMI = """\
#!/bin/sh
echo "$@" >> {folder}/calls
case "$*" in
  *"stack export"*) cat {folder}/state.json ;;
  *refresh*) [ -z "$PULUMI_SKIP_CONFIRMATIONS" ] && cat {folder}/preview.json ;;
  *"config set-all"*) [ ! -e {folder}/refuse ] || {{ echo "error: no such stack" >&2; exit 1; }} ;;
  *config*) echo '{{}}' ;;
esac
"""


class Site:
    """The guide's rack with a recorded `pulumi` and hosts that answer from memory."""

    def __init__(self, folder: Path, promised: Rack, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.promised = folder, promised
        (folder / "pulumi").write_text(PULUMI.format(folder=folder))
        (folder / "pulumi").chmod(0o755)
        (folder / "state.json").write_text(json.dumps(document(recorder)))
        (folder / "Pulumi.dev.yaml").write_text(STACK.read_text())
        self.refreshed("unchanged")
        monkeypatch.chdir(folder)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        monkeypatch.setenv("PULUMI_SKIP_CONFIRMATIONS", "true")
        monkeypatch.setattr(command, "look", self.look)
        self.changes: dict[str, dict[str, Any]] = {}
        """Path → facts of a file that differ."""
        self.fault = ""

    def edit(self) -> None:
        """Add lines to undercloud.conf."""
        text = self.promised.hosts[self.promised.undercloud].files[CONF].content + ADDED
        self.changes = {CONF: {"sha256": sha256(text), "text": text}}

    def refreshed(self, preview: str) -> None:
        (self.folder / "preview.json").write_text((PREVIEWS / f"{preview}.json").read_text())

    def look(self, host: ProbedHost, order: LookOrder) -> Mapping[str, Any]:
        """Answer as a host without drift, but for `changes`."""
        if self.fault:
            raise SshError(self.fault)
        expected = self.promised.hosts[host.address]
        facts: dict[str, Any] = {
            "files": {
                path: {"answer": {**as_promised(file), **self.changes.get(path, {})}}
                for path, file in expected.files.items()
            },
            "units": {},
            "jobs": {"overcloud-deploy": {"answer": {"key": self.promised.deployment, "status": 0, "ended": 9.0}}},
        }
        if order.ufm:
            container = ["true", order.ufm.image, "id"]
            address = self.promised.ufm.address if self.promised.ufm else ""
            ufm = {"container": container, "image": "id", "status": "ufmd is running", "addresses": [address]}
            facts["ufm"] = {"answer": {**ufm, "unit": None, "address_unit": None}}
        if order.cloud:
            facts["cloud"] = {"fault": "a test of nodes is in test_compare.py"}
        return facts

    def run(self, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
        status = main(["drift", "--stack=dev", *more])
        return status, capsys.readouterr().out

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def site(tmp_path: Path, promised: Rack, rack: Recorder, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, promised, rack, monkeypatch)


CONF = "/home/stack/undercloud.conf"
ADDED = f"clean_nodes = maybe\nadmin_token = own-token\n{SECRETS['ipmi']}\n"
"""Lines that somebody has added, two of them with secrets."""


def test_a_part_that_was_not_seen_is_a_status_of_its_own(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    status, shown = site.run(capsys, "--format=json")
    assert status == 3
    assert json.loads(shown)["counts"] == {"broken": 0, "drift": 0, "unknown": 1}


def test_drift_is_status_one_and_hides_secrets(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.edit()
    for form in ("terminal", "markdown", "json"):
        status, shown = site.run(capsys, f"--format={form}")
        assert status == 1
        assert "+clean_nodes = maybe" in shown
        for secret in ("own-token", SECRETS["ipmi"], SDN_TOKEN, SECRETS["license"]):
            assert secret not in shown, form


def test_only_broken_fails_on_request(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.edit()
    assert site.run(capsys, "--fail-on=broken")[0] == 3
    site.refreshed("drift")
    assert site.run(capsys, "--fail-on=broken")[0] == 1


def test_the_severities_of_the_command_are_those_of_findings() -> None:
    assert SEVERITIES == ("drift", "broken")


def test_the_report_has_what_a_refresh_finds(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.refreshed("drift")
    _, shown = site.run(capsys, "--format=json")
    found = [f for f in json.loads(shown)["findings"] if f["kind"] == "resource"]
    assert {f["host"] for f in found} <= {"UFM", "OpenStack"}
    assert any("PKey" in f["found"] for f in found)
    assert json.loads(shown)["refresh"] is True
    assert "refresh --preview-only --json --non-interactive --stack dev" in site.calls


def test_hosts_only_runs_no_refresh(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.run(capsys, "--hosts-only")
    assert not [call for call in site.calls if "refresh" in call]


def test_a_refresh_that_fails_is_unknown(site: Site) -> None:
    (site.folder / "preview.json").write_text("error: no connection")
    (found,) = resource_findings("dev")
    assert found.found.startswith("`pulumi refresh` fails: found no JSON in the preview")
    errors = [{"severity": "error", "message": f"error: Preview failed: UFM {n}: refused; check it"} for n in (1, 2)]
    said = {"steps": [], "diagnostics": [*errors, {"severity": "error", "message": "error: preview failed"}]}
    (site.folder / "preview.json").write_text(json.dumps(said))
    (found,) = resource_findings("dev")
    assert found.found == "`pulumi refresh` fails: UFM 1: refused; 1 more errors"


def test_a_host_that_cannot_be_entered_is_unknown(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.fault = "Host key verification failed."
    status, shown = site.run(capsys)
    assert status == 3
    assert "SSH as root fails: Host key verification failed." in shown


def test_repair_counts_up_the_steps_of_the_findings_alone(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.edit()
    site.run(capsys, "--repair")
    step = "undercloud-undercloud-conf"
    words = f'--non-interactive --stack dev config set-all --path --plaintext repair["{step}"]='
    assert site.calls[-1] == f"{words}1"
    document = yaml.safe_load((site.folder / "Pulumi.dev.yaml").read_text())
    document["config"]["rack:repair"] = {step: 4}
    (site.folder / "Pulumi.dev.yaml").write_text(yaml.safe_dump(document))
    site.run(capsys, "--repair")
    assert site.calls[-1] == f"{words}5"


def test_repair_without_findings_writes_nothing(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.run(capsys, "--repair")
    assert not [call for call in site.calls if "set-all" in call]


def test_a_refused_repair_is_reported(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.edit()
    (site.folder / "refuse").touch()
    assert main(["drift", "--stack=dev", "--repair"]) == 2
    assert "rack drift: `pulumi config set-all` fails: error: no such stack" in capsys.readouterr().err


def test_a_stack_without_a_deployment_is_status_two(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    (site.folder / "state.json").write_text('{"version": 3, "deployment": {}}')
    assert main(["drift", "--stack=dev"]) == 2
    assert "rack drift: the stack has deployed nothing; run `pulumi up` first" in capsys.readouterr().err


def test_an_interrupted_operation_is_told(site: Site, rack: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(rack)
    found["deployment"]["pending_operations"] = [{}]
    (site.folder / "state.json").write_text(json.dumps(found))
    assert "the state has unfinished operations" in site.run(capsys)[1]


def test_a_failed_look_does_not_hide_the_others(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(host: ProbedHost, order: LookOrder) -> Mapping[str, Any]:
        if host.name == "undercloud":
            raise KeyError("files")
        return site.look(host, order)

    monkeypatch.setattr(command, "look", broken)
    site.refreshed("drift")
    status, shown = site.run(capsys)
    assert status == 1
    assert "the look failed: KeyError: 'files'" in shown


def test_state_is_read_with_its_secrets(site: Site, state: State, capsys: pytest.CaptureFixture[str]) -> None:
    """Otherwise files with a secret could not be compared."""
    site.run(capsys)
    assert "--non-interactive --stack dev stack export --show-secrets" in site.calls
