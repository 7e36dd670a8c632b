"""The check of an undercloud before the installation (C1), with real templates and the real client."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from onhost import shipping
from onhost.undercloud import templates as inspection
from onhost.undercloud.orders import TemplateRequirements, encode
from rack.plan import HEAT_TEMPLATES
from rack.tripleo.requirements import template_requirements
from rack.wallaby.branch import SDN, backport
from rack.wallaby.checks import Workers
from tests.rack import sites

REQUIREMENTS = TemplateRequirements(**template_requirements(sites.plan()))
AGENT = "environments/services/neutron-mlnx-agent.yaml"
UPDATE = "dnf update openstack-tripleo-heat-templates"


@pytest.fixture(scope="session")
def branch(workers: Workers, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The templates of 14.3.0 with MlnxSDNToken, like the branch since December 2021. Tests must not change them."""
    folder = tmp_path_factory.mktemp("branch") / "templates"
    shutil.copytree(workers.tools.templates, folder)
    backport(folder)
    return folder


@pytest.fixture
def templates(branch: Path, tmp_path: Path) -> Path:
    """A copy of the templates, for a test to edit."""
    return Path(shutil.copytree(branch, tmp_path / "templates"))


def test_the_branchs_templates_meet_the_requirements(branch: Path) -> None:
    assert inspection.look(branch, REQUIREMENTS) == []


def test_the_release_14_3_0_lacks_only_the_token(workers: Workers) -> None:
    (fault,) = inspection.look(workers.tools.templates, REQUIREMENTS)
    assert fault.startswith("MlnxSDNToken: no template declares it, neutron-ml2-mlnx-sdn-vm.yaml sets it")
    assert "since 2021-12-12" in fault
    assert fault.endswith(UPDATE)


def unlink(name: str) -> Callable[[Path], None]:
    return lambda templates: (templates / name).unlink()


def text(name: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(templates: Path) -> None:
        written = (templates / name).read_text()
        assert old in written
        (templates / name).write_text(written.replace(old, new))

    return edit


BROKEN = {
    "environment file": (unlink(AGENT), f"{AGENT}: missing, and the deploy command names it (O5)"),
    "what an environment file names": (
        unlink("deployment/neutron/neutron-mlnx-agent-container-puppet.yaml"),
        f"{AGENT}: OS::TripleO::Services::NeutronMlnxAgent is ../../deployment/neutron/neutron-mlnx-agent-",
    ),
    "parameter": (
        text(SDN, "  MultiInterfaceEnabled:\n", "  MultiInterface:\n"),
        "MultiInterfaceEnabled: no template declares it",
    ),
    "parameter of a role": (
        text("overcloud.j2.yaml", "  {{role.name}}ExtraConfig:", "  {{role.name}}Extra:"),
        "{{role.name}}ExtraConfig: no template declares it, ib-env-vm.yaml sets it",
    ),
    "service": (
        text(inspection.REGISTRY, "  OS::TripleO::Services::Frr:", "  OS::TripleO::Services::FRR:"),
        "OS::TripleO::Services::Frr: no service of these templates, roles_data_ib_vm.yaml names it",
    ),
    "service of the SDN file": (
        text(inspection.REGISTRY, "NeutronCorePluginMLNXSDN:", "NeutronCorePluginMLNX:"),
        "OS::TripleO::Services::NeutronCorePluginMLNXSDN: no service of these templates, neutron-ml2-mlnx-sdn-vm.yaml",
    ),
    "template of a service": (
        unlink("deployment/keystone/keystone-container-puppet.yaml"),
        "OS::TripleO::Services::Keystone: its template deployment/keystone/keystone-container-puppet.yaml is missing",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("edit", "expected"), BROKEN.values(), ids=BROKEN)
def test_a_missing_part_is_reported_with_the_fix(edit: Callable[[Path], None], expected: str, templates: Path) -> None:
    edit(templates)
    faults = inspection.look(templates, REQUIREMENTS)
    assert [f for f in faults if f.startswith(expected)], faults
    assert all(f.endswith(UPDATE) for f in faults)


def test_all_faults_are_reported_at_once(templates: Path) -> None:
    for edit, _ in BROKEN.values():
        edit(templates)
    faults = inspection.look(templates, REQUIREMENTS)
    whole = [expected for name, (_, expected) in BROKEN.items() if name != "what an environment file names"]
    assert all(any(f.startswith(expected) for f in faults) for expected in whole), "that file is missing itself"


def test_missing_templates_are_one_fault(tmp_path: Path) -> None:
    (fault,) = inspection.look(tmp_path, REQUIREMENTS)
    assert fault.endswith("no templates of TripleO; dnf install openstack-tripleo-heat-templates")


# -- the client


def asked(path: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run the program as the undercloud does, with `path` as PATH."""
    command = [sys.executable, "-I", "-c", shipping.program("undercloud.templates"), *words]
    return subprocess.run(
        command, input=encode(REQUIREMENTS), env={**os.environ, "PATH": path}, capture_output=True, text=True
    )


def client(folder: Path, script: str) -> str:
    (folder / "openstack").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "openstack").chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def test_wallabys_client_has_every_option_of_the_deploy_command(workers: Workers) -> None:
    """Only the templates are missing here; the client is tripleoclient 16.5.0."""
    done = asked(f"{workers.tools.python.parent}:/usr/bin:/bin")
    assert done.returncode == 1
    assert done.stderr == (
        f"undercloud: {HEAT_TEMPLATES}: no templates of TripleO; dnf install openstack-tripleo-heat-templates\n"
        "faults found: 1; nothing was installed\n"
    )


TRAIN = "echo 'usage: openstack overcloud deploy --templates --stack -e -r --networks-file --deployed-server'"


def test_each_option_that_an_older_client_lacks_is_reported(tmp_path: Path) -> None:
    done = asked(client(tmp_path, TRAIN))
    for option in ("--vip-file", "--network-config", "--baremetal-deployment"):
        assert f"openstack overcloud deploy {option}: no option of the installed client (O5); it must be" in done.stderr
    assert "deploy --networks-file:" not in done.stderr


@pytest.mark.parametrize("script", ["exit 2", None])
def test_a_missing_client_is_reported(script: str | None, tmp_path: Path) -> None:
    done = asked(client(tmp_path, script) if script else str(tmp_path))
    assert "openstack overcloud deploy: the client lacks the command; dnf install python3-tripleoclient" in done.stderr


def test_a_folder_is_checked_without_a_client(branch: Path, tmp_path: Path) -> None:
    done = asked(str(tmp_path), str(branch))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
