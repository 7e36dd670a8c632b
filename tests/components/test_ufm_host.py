"""The resources of UFM's host, and of an existing UFM. The commands themselves are tested in tests/lab/hosts."""

import hashlib
import json
import re
import subprocess
from asyncio import ensure_future
from pathlib import Path
from typing import Any

import pulumi
import pytest

import components as c
from access.ssh import Operator
from components import ufm_host
from onhost import shipping
from rack.plan import Plan
from rack.site.ufm import InstallSpec
from tests.components.conftest import CERTIFICATE, PROJECT, Recorder, deploy, ownership, record
from tests.components.test_rack import secret


def with_host(plan: Plan, **update: Any) -> Plan:
    assert plan.site.ufm.host
    host = plan.site.ufm.host.model_copy(update=update)
    return Plan(plan.site.model_copy(update={"ufm": plan.site.ufm.model_copy(update={"host": host})}))


def existing(plan: Plan) -> Plan:
    return Plan(plan.site.model_copy(update={"ufm": plan.site.ufm.model_copy(update={"host": None})}))


def run(plan: Plan, seen: dict[str, str] | None = None) -> Recorder:
    def program(operator: Operator) -> Any:
        made = c.UfmHost(
            "ufm",
            plan,
            operator,
            ownership(plan, operator),
            "LICENCE-CANARY" if plan.site.ufm.host else None,
            "password",
        )
        return made.version.apply(lambda version: (seen or {}).update(version=version)) and None

    return record(plan, program)


def texts(plan: Plan) -> dict[str, str]:
    """Return every shell text of UFM's host."""
    commands = run(plan).of("command:remote:Command")
    return {f"{n} {k}": r.inputs[k] for n, r in commands.items() for k in ("create", "delete") if k in r.inputs}


SCRIPTS = {path.stem: path.read_text() for path in (PROJECT / "onhost/ufm").glob("*.sh")}
OF_THE_PROGRAM = {"NOTES", "UNIT", "ADDRESS_UNIT"}
OF_THE_OS = {"PRETTY_NAME", "ID", "VERSION_ID", "VERSION_CODENAME", "DEBIAN_FRONTEND"}


def used(text: str) -> set[str]:
    return set(re.findall(r"\$\{?([A-Z_]{2,})", text)) - OF_THE_PROGRAM - OF_THE_OS


def test_every_step_gets_exactly_the_settings_that_it_uses() -> None:
    """The program runs with `set -u`. A change of an unused setting would run the step again without need."""
    steps = SCRIPTS.keys() - {"program", "common"}
    assert ufm_host.SETTINGS.keys() == steps
    of_functions = used(SCRIPTS["common"])
    for name in steps:
        own, given = used(SCRIPTS[name]) - {"LICENSE"}, set(ufm_host.SETTINGS[name])
        assert own <= given, name
        assert given <= own | of_functions, name


def test_the_program_is_a_shell_script() -> None:
    text = shipping.shell_program("ufm")
    assert text.startswith("#!/bin/sh\n")
    assert subprocess.run(["sh", "-n"], input=text, text=True, check=False).returncode == 0


@pytest.mark.parametrize("installer", [None, "mellanox/ufm-enterprise-installer:1"])
def test_commands_are_short(plan: Plan, installer: str | None) -> None:
    """pulumi-command's errors contain the whole command before the reason (docs/command-plugin.md, S13)."""
    for name, text in texts(with_host(plan, installer_image=installer)).items():
        assert "\n" not in text, name
        assert len(text) <= 300, name


INSTALL = InstallSpec.model_validate(
    {
        "docker": {"repository": "https://download.docker.com/linux/ubuntu", "keyFile": "KEY"},
        "mlnxOfed": {
            "package": "http://mirror.example/MLNX_OFED_LINUX-5.8-4.1.5.0-ubuntu18.04-x86_64.tgz",
            "sha256": "0" * 64,
            "options": ["--add-kernel-support"],
        },
    }
)


def test_software_is_installed_before_the_host_is_checked(plan: Plan, tmp_path: Path) -> None:
    """The repository's key is public, so it travels in the clear, and the preview shows it (U1)."""
    key = tmp_path / "docker.asc"
    key.write_text("PUBLIC KEY")
    assert INSTALL.docker
    install = INSTALL.model_copy(update={"docker": INSTALL.docker.model_copy(update={"key_file": key})})
    rack = run(with_host(plan, install=install))
    assert {"ufm-docker", "ufm-ofed"} <= rack.needs["ufm-prerequisites"]
    assert rack.resources["ufm-docker"].inputs["stdin"] == "PUBLIC KEY"
    assert rack.resources["ufm-docker"].inputs["create"] == (
        "/opt/rack-ufm docker 'PACKAGES=docker-ce docker-ce-cli containerd.io' "
        "REPOSITORY=https://download.docker.com/linux/ubuntu"
    )
    assert rack.resources["ufm-ofed"].inputs["create"] == (
        f"/opt/rack-ufm ofed CHECKSUM={'0' * 64} GUID=b8599f0300b00001 "
        "OFED=http://mirror.example/MLNX_OFED_LINUX-5.8-4.1.5.0-ubuntu18.04-x86_64.tgz OPTIONS=--add-kernel-support"
    )
    assert all(len(text) <= 300 for text in texts(with_host(plan, install=install)).values())


def test_no_software_is_installed_unless_the_configuration_asks_for_it(plan: Plan) -> None:
    assert not {"ufm-docker", "ufm-ofed"} & run(plan).resources.keys()


def test_a_changed_image_runs_only_checks_and_installation_again(plan: Plan) -> None:
    before, after = texts(plan), texts(with_host(plan, image="mellanox/ufm-enterprise:6.19.3-1"))
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"ufm-prerequisites create", "ufm-install create"}


def test_no_command_line_contains_the_licence(plan: Plan) -> None:
    assert not any("LICENCE-CANARY" in text for text in texts(plan).values())


def test_the_version_is_the_last_line_of_the_installation(plan: Plan) -> None:
    seen: dict[str, str] = {"version": ""}
    run(plan, seen)
    assert seen["version"] == "6.14.5-2"


def test_an_existing_ufm_is_used_only_through_its_rest_api(plan: Plan) -> None:
    """Without `ufm.host` there is no SSH connection, no licence and no restart (O6)."""
    other = existing(plan)
    rack = record(other, lambda operator: deploy(other, operator) and None)
    address = str(other.site.ufm.address)
    for name, command in rack.of("command:remote:Command").items():
        assert address not in str(command.inputs["connection"]), name
    assert "overcloud-restart-ufm" not in rack.resources
    assert {"ufm-admin", "ufm-token"} <= rack.resources.keys()
    seen: dict[str, str] = {"version": ""}
    run(other, seen)
    assert seen["version"] == "6.19.1-5", "the version that the REST API reports"


def changed_ufm(plan: Plan, **update: Any) -> Plan:
    """A plan of a site that does not say how UFM's certificate is verified."""
    ufm = plan.site.ufm.model_copy(update={"ca_file": None, **update})
    return Plan(plan.site.model_copy(update={"ufm": ufm}))


def trust(rack: Recorder) -> dict[str, Any]:
    inputs = rack.resources["ufm-api"].inputs
    return {key: inputs[key] for key in ("caFile", "ca", "serverName", "fingerprint") if inputs.get(key)}


def test_the_certificate_of_a_new_ufm_is_read_on_its_host(plan: Plan) -> None:
    """No file is needed in advance: the connection to the host is verified already (issue 10, R8)."""
    own = changed_ufm(plan)
    rack = record(own, lambda operator: deploy(own, operator) and None)
    assert rack.needs["ufm-certificate"] == {"ufm-install"}
    assert trust(rack) == {"fingerprint": hashlib.sha256(b"ABC").hexdigest()}
    for name in ("introspection-nodes", "gate-members"):
        told = json.loads(secret(rack.resources[name].inputs["stdin"]))["ufm"]
        assert (told["ca"], told["name"], told["insecure"]) == (CERTIFICATE, None, False), name


def test_a_certificate_under_another_name_is_read_too(plan: Plan) -> None:
    own = changed_ufm(plan, server_name="ufm.example")
    rack = record(own, lambda operator: deploy(own, operator) and None)
    assert "NAME=ufm.example" in rack.resources["ufm-certificate"].inputs["create"]
    assert trust(rack) == {"fingerprint": hashlib.sha256(b"ABC").hexdigest()}, "whatever its names"
    assert json.loads(secret(rack.resources["gate-members"].inputs["stdin"]))["ufm"]["name"] == "ufm.example"


@pytest.mark.parametrize(
    ("update", "trusted"),
    [
        ({"insecure": True}, {}),
        ({"host": None}, {}),
        ({"host": None, "server_name": "ufm.example"}, {"serverName": "ufm.example"}),
        ({"host": None, "fingerprint": "ab" * 32}, {"fingerprint": "ab" * 32}),
        ({"ca_file": "ca.pem"}, {"caFile": "ca.pem"}),
        ({"ca_file": "ca.pem", "server_name": "ufm.example"}, {"caFile": "ca.pem", "serverName": "ufm.example"}),
    ],
)
def test_the_configuration_says_how_ufm_is_verified(
    plan: Plan, update: dict[str, Any], trusted: dict[str, Any]
) -> None:
    rack = run(changed_ufm(plan, **update))
    assert "ufm-certificate" not in rack.resources
    assert trust(rack) == trusted


def test_a_preview_while_ufm_is_down_knows_neither_its_certificate_nor_what_contains_it(plan: Plan) -> None:
    """The fingerprint is enough for the provider, whose own previews treat a UFM that is down as unknown."""
    pin = "ab" * 32
    down = changed_ufm(plan, host=None, fingerprint=pin)
    known: list[bool] = []

    def program(operator: Operator) -> Any:
        ufm = c.UfmHost("ufm", down, operator, ownership(down, operator), None, "secret-password")
        assert isinstance(ufm.ca, pulumi.Output)
        is_known: pulumi.Output[bool] = pulumi.Output.from_input(ensure_future(ufm.ca.is_known()))
        return is_known.apply(known.append)

    rack = record(down, program)
    assert trust(rack) == {"fingerprint": pin}
    assert known == [False]
