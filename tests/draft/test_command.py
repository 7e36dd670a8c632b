"""`rack new` without a terminal: answers, flags, a table of nodes, and the lab's UFM."""

import hashlib
import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from draft.fabric import fingerprint
from lab.ufm.resources import Appearance
from rack.__main__ import main
from rack.plan import Plan
from rack.site import stack_file
from rack.site.load import load_stack_file
from rack.tripleo import undercloud
from tests import yamls
from tests.providers.conftest import LabUfm
from tests.providers.server import PASSWORD
from tests.rack.sites import ROOT, STACK_FILES

NODES = """\
name,role,address,mac,ipmi,guid
controller-1,Controller,192.168.24.11,3c:ec:ef:00:00:11,192.168.23.11,b8599f0300b00011
compute-1,ComputeSriovIB,192.168.24.21,3c:ec:ef:00:00:21,192.168.23.21,b8599f0300b00041
compute-2,ComputeSriovIB,,3c:ec:ef:00:00:22,192.168.23.22,b8599f0300b00051
"""
ANSWERS: dict[str, Any] = {
    "networks": {
        "provisioning": {"dns": ["192.168.24.250"], "ntp": ["192.168.24.251"]},
        "external": {"cidr": "10.0.0.0/24", "vlan": 10},
    },
    "ufm": {"host": {"guid": "b8599f0300b00001"}},
    "fabric": {"switch": {"name": "qm8700", "guid": "b8599f0300a00000"}, "interface": "ib2"},
}


@pytest.fixture(autouse=True)
def inputs(folder: Path) -> None:
    (folder / "nodes.csv").write_text(NODES)
    (folder / "answers.yaml").write_text(yamls.dump(ANSWERS))


def new(*arguments: str) -> int:
    return main(["new", "--stack", "mine", *arguments])


GIVEN = ("--answers", "answers.yaml", "--nodes", "nodes.csv")


def test_the_file_is_valid_and_passes_the_check(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert new(*GIVEN) == 0
    assert "Pulumi.mine.yaml: written; 3 nodes" in capsys.readouterr().out
    assert main(["check", "--stack", "mine"]) == 0
    site = load_stack_file(folder / "Pulumi.mine.yaml")
    assert str(site.nodes[2].address) == "192.168.24.22"
    assert [vm.compute for vm in site.tenant.instances] == ["compute-1", "compute-2"]


def test_defaults_follow_from_the_answers(folder: Path) -> None:
    flags = ("--set", "networks.provisioning.cidr=10.20.0.0/16", "--set", "networks.tenant.vlans=300-400")
    nodes = NODES.replace("192.168.24.11", "").replace("192.168.24.21", "")
    (folder / "nodes.csv").write_text(nodes)
    answers = {
        **ANSWERS,
        "networks": {**ANSWERS["networks"], "provisioning": {"dns": ["10.20.0.250"], "ntp": ["ntp.a"]}},
    }
    (folder / "answers.yaml").write_text(yamls.dump(answers))
    assert new(*GIVEN, *flags) == 0
    site = load_stack_file(folder / "Pulumi.mine.yaml")
    assert str(site.undercloud.address) == str(site.networks.provisioning.gateway) == "10.20.0.1"
    assert str(site.networks.provisioning.dhcp) == "10.20.0.50-10.20.0.99"
    assert [str(node.address) for node in site.nodes] == ["10.20.0.11", "10.20.0.21", "10.20.0.22"]
    assert site.tenant.network.vlan == 300


def test_the_file_names_the_schema_and_keeps_the_order_of_the_reference(folder: Path) -> None:
    assert new(*GIVEN) == 0
    text = (folder / "Pulumi.mine.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=")
    assert (folder / text.splitlines()[0].partition("=")[2]).resolve() == ROOT / "rack/site/stack.schema.json"
    keys = list(stack_file.read(text.encode())["config"]["rack:site"])
    assert keys[:4] == ["ssh", "networks", "ufm", "undercloud"]


def test_a_numeric_guid_stays_a_text(folder: Path) -> None:
    for guid in ("1234567890123e45", "0011223344556677", "1234567812345678"):
        (folder / "Pulumi.mine.yaml").unlink(missing_ok=True)
        assert new(*GIVEN, "--set", f"ufm.host.guid={guid}") == 0
        site = load_stack_file(folder / "Pulumi.mine.yaml")
        assert site.ufm.host
        assert site.ufm.host.guid == guid


@pytest.mark.parametrize("name", STACK_FILES)
def test_a_whole_site_survives_as_an_answers_file(folder: Path, name: str) -> None:
    site = stack_file.read((ROOT / name).read_bytes())["config"]["rack:site"]
    (folder / "whole.yaml").write_text(yamls.dump(site))
    assert new("--answers", "whole.yaml") == 0
    assert load_stack_file(folder / "Pulumi.mine.yaml") == load_stack_file(ROOT / name)


def test_everything_that_is_missing_is_listed_with_what_to_write(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert new("--set", "networks.external.vlan=10") == 1
    found = capsys.readouterr().err
    assert found.startswith("rack new: the answers are incomplete; no file was written:\n")
    for line in (
        "  - networks.provisioning.dns: missing; write a list of one",
        "  - networks.external.cidr: missing; write a network like 192.168.24.0/24: Address range of the external",
        "  - nodes[0].mac: missing; write an Ethernet address like '52:54:00:00:00:01': MAC address from which",
        "  - nodes[4].ipmi.address: missing; write an IPv4 address",
        "  - fabric.switch.guid: missing; write a port GUID",
    ):
        assert line in found
    assert not list(folder.glob("Pulumi.*"))
    assert not list(folder.glob("answers.mine.yaml"))


WRONG = {
    "type": (["--set", "ufm.port=high"], "  - ufm.port: found 'high'; write a whole number from 1 to 65535"),
    "unknown key": (["--set", "ufm.prot=1"], "  - ufm.prot: unknown key; write port"),
    "unknown top": (["--set", "colour=red"], "  - colour: unknown key"),
    "no value": (["--set", "ufm.port"], "--set: found 'ufm.port'; write PATH=VALUE"),
    "no place": (["--set", "nodes[9].name=a"], "--set: nodes[9].name: found no such place"),
    "no file": (["--answers", "none.yaml"], "--answers: cannot read none.yaml: No such file or directory"),
    "no nodes": (["--nodes", "none.csv"], "none.csv: cannot read the nodes"),
    "rule": (["--set", "networks.control.Storage.vlan=12"], "(PKEY00"),
}


@pytest.mark.parametrize(("arguments", "says"), WRONG.values(), ids=WRONG)
def test_a_wrong_answer_is_refused_and_no_file_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert new(*GIVEN, *arguments) == 1
    assert says in capsys.readouterr().err
    assert not list(folder.glob("Pulumi.*"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- a\n", "found no mapping; write keys of rack:site"),
        ("a: [\n", "found text that is not YAML; correct it: line"),
    ],
)
def test_an_answers_file_is_refused(capsys: pytest.CaptureFixture[str], folder: Path, text: str, says: str) -> None:
    (folder / "answers.yaml").write_text(text)
    assert new("--answers", "answers.yaml") == 1
    assert says in capsys.readouterr().err


def test_a_file_with_a_site_is_never_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert new(*GIVEN) == 0
    before = (folder / "Pulumi.mine.yaml").read_bytes()
    assert new(*GIVEN) == 1
    assert "found a site in it, which is never overwritten" in capsys.readouterr().err
    assert (folder / "Pulumi.mine.yaml").read_bytes() == before


def test_salt_and_secrets_that_pulumi_wrote_before_are_kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secure = {"secure": "v1:abcdefgh:abcdefgh"}
    before = {"encryptionsalt": "v1:salt=:v1:x:y", "config": {"rack:ufmPassword": secure}}
    (folder / "Pulumi.mine.yaml").write_text(yamls.dump(before))
    assert new(*GIVEN) == 0
    found = stack_file.read((folder / "Pulumi.mine.yaml").read_bytes())
    assert found["encryptionsalt"] == before["encryptionsalt"]
    assert found["config"]["rack:ufmPassword"] == secure
    assert "--secret ufmPassword" not in capsys.readouterr().out


def test_a_stack_s_name_cannot_leave_the_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "--stack", "../x"]) == 1
    assert "--stack: found '../x'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("passwords", "commands"),
    [
        (["same", "same", "same"], ["--secret ipmiPassword"]),
        (["one", "two", "three"], ["--secret --path 'ipmiPasswords.controller-1'", "--path 'ipmiPasswords.compute-2'"]),
    ],
    ids=["one for all", "one per node"],
)
def test_passwords_of_an_inventory_become_commands_and_are_shown_nowhere(
    folder: Path, capsys: pytest.CaptureFixture[str], passwords: list[str], commands: list[str]
) -> None:
    assert new(*GIVEN) == 0
    plan = Plan(load_stack_file(folder / "Pulumi.mine.yaml"))
    own = {node.name: f"canary-{word}" for node, word in zip(plan.site.nodes, passwords, strict=True)}
    (folder / "instackenv.json").write_text(undercloud.instackenv(plan, "", own))
    capsys.readouterr()
    assert main(["new", "--stack", "other", "--answers", "answers.yaml", "--nodes", "instackenv.json"]) == 0
    said = "".join(capsys.readouterr())
    assert all(command in said for command in commands)
    assert "canary" not in said + (folder / "Pulumi.other.yaml").read_text()


def test_an_existing_ufm_needs_no_licence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers = {**ANSWERS, "ufm": {"caFile": "ca.pem"}}
    (folder / "answers.yaml").write_text(yamls.dump(answers))
    assert new(*GIVEN) == 0
    assert "ufmLicense" not in capsys.readouterr().out
    assert load_stack_file(folder / "Pulumi.mine.yaml").ufm.host is None


def test_without_a_workload_there_is_no_instance(folder: Path) -> None:
    assert new(*GIVEN, "--no-workload") == 0
    site = load_stack_file(folder / "Pulumi.mine.yaml")
    assert (site.images, site.tenant.instances, site.bandwidth) == ((), (), None)


def test_open_port_guids_are_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "nodes.csv").write_text(NODES.replace("b8599f0300b00051", ""))
    assert new(*GIVEN) == 0
    assert "port GUIDs or fabric.interface are open: introspection determines them" in capsys.readouterr().out


# UFM

FABRIC = {
    "controller-1": "b8599f0300c00011", "compute-1": "b8599f0300c00041",
    "overcloud-computesriov-ib-1": "b8599f0300c00051", "ufm": "b8599f0300c00001", "stranger": "b8599f0300c00099",
}  # fmt: skip


@pytest.fixture
def asked(ufm: LabUfm, folder: Path, monkeypatch: pytest.MonkeyPatch) -> LabUfm:
    """The lab's UFM with five hosts, and answers that lead to it."""
    for name, guid in FABRIC.items():
        ufm.fabric.add(name, guid)
    (folder / "nodes.csv").write_text("\n".join(line.rpartition(",")[0] for line in NODES.splitlines()))
    answers: dict[str, Any] = json.loads(json.dumps(ANSWERS).replace("192.168.24", "127.0.0"))
    answers["networks"]["provisioning"]["cidr"] = "127.0.0.0/24"
    answers["undercloud"] = {"address": "127.0.0.2"}
    answers["ufm"] = {"address": "127.0.0.1", "port": ufm.port, "host": {}}
    del answers["fabric"]["switch"]
    (folder / "answers.yaml").write_text(yamls.dump(answers))
    (folder / "nodes.csv").write_text((folder / "nodes.csv").read_text().replace("192.168.24", "127.0.0"))
    monkeypatch.setenv("RACK_UFM_PASSWORD", PASSWORD)
    return ufm


def pinned(ufm: LabUfm) -> list[str]:
    return ["--from-ufm", "--ufm-fingerprint", fingerprint("127.0.0.1", ufm.port)]


def test_port_guids_and_the_switch_come_from_ufm(
    asked: LabUfm, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert new(*GIVEN, *pinned(asked)) == 0
    site = load_stack_file(folder / "Pulumi.mine.yaml")
    assert [node.guid for node in site.nodes] == ["b8599f0300c00011", "b8599f0300c00041", "b8599f0300c00051"]
    assert (site.fabric.switch.name, site.fabric.switch.guid) == ("sw-1", "b8599f0300f00001")
    assert site.ufm.host
    assert site.ufm.host.guid == "b8599f0300c00001"
    assert site.ufm.fingerprint is None
    said = "".join(capsys.readouterr())
    assert "b8599f0300c00099  stranger" in said
    assert PASSWORD not in said + (folder / "Pulumi.mine.yaml").read_text()
    assert asked.calls == ["GET /resources/ports", "GET /resources/systems"]


def test_a_host_with_two_active_ports_is_left_open(asked: LabUfm, folder: Path) -> None:
    asked.core.appearances["stranger"] = Appearance(description="compute-1 mlx5_1")
    assert new(*GIVEN, *pinned(asked)) == 0
    site = load_stack_file(folder / "Pulumi.mine.yaml")
    assert site.nodes[1].guid is None
    assert site.nodes[0].guid == "b8599f0300c00011"


def test_the_shown_fingerprint_is_that_of_the_certificate(asked: LabUfm) -> None:
    served = ssl.get_server_certificate(("127.0.0.1", asked.port))
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(served)).hexdigest()
    assert fingerprint("127.0.0.1", asked.port).replace(":", "").lower() == digest


def test_a_wrong_fingerprint_sends_no_password(asked: LabUfm, capsys: pytest.CaptureFixture[str]) -> None:
    assert new(*GIVEN, "--from-ufm", "--ufm-fingerprint", "ab" * 32) == 1
    assert "certificate" in capsys.readouterr().err
    assert asked.calls == []


def test_without_trust_or_password_ufm_is_not_asked(
    asked: LabUfm, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert new(*GIVEN, "--from-ufm") == 1
    assert "found no trust in UFM's certificate; write ufm.caFile or --ufm-fingerprint" in capsys.readouterr().err
    monkeypatch.delenv("RACK_UFM_PASSWORD")
    assert new(*GIVEN, *pinned(asked)) == 1
    assert "write it to the environment variable RACK_UFM_PASSWORD" in capsys.readouterr().err
    assert asked.calls == []


def test_a_wrong_password_is_said(
    asked: LabUfm, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RACK_UFM_PASSWORD", "canary-wrong")
    assert new(*GIVEN, *pinned(asked)) == 1
    said = "".join(capsys.readouterr())
    assert "rack new: --from-ufm: " in said
    assert "401" in said
    assert "canary-wrong" not in said
    assert not list(folder.glob("Pulumi.*"))
