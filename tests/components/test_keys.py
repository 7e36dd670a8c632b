"""Every key of the configuration is read by a rule, a document, a firmware setting or a resource."""

from pathlib import Path
from typing import Any

import pytest

from access.ssh_client import options
from rack import rules
from rack.firmware import parameters
from rack.plan import Plan
from rack.site import Role, Site
from rack.site.images import Builder
from rack.site.load import parse
from rack.site.model import Model
from rack.site.schema import keys, type_at
from rack.site.ufm import DockerSpec, InstallSpec, MlnxOfedSpec
from rack.tripleo.documents import rendered
from tests.access.test_ssh import BASTION, steps
from tests.components.conftest import deploy, record
from tests.rack.sites import document

OPTIONAL = {
    "undercloud.registry": {"user": "robot"},
    "undercloud.containerNamespace": "registry.example/wallaby",
    "undercloud.repositories": [{"id": "own", "baseurl": "https://mirror.example/wallaby"}],
    "firmware.parameters": [{"role": "ComputeSriovIB", "name": "PCI_WR_ORDERING", "value": 1}],
}
"""Optional keys that the guide's rack does not have."""


def elsewhere(plan: Plan, folder: Path) -> Plan:
    """Return the plan with a builder, and with software that `up` installs on UFM's host."""
    assert plan.site.ufm.host
    (folder / "docker.asc").touch()
    docker = DockerSpec(repository="https://mirror.example/docker", key_file=folder / "docker.asc")
    ofed = MlnxOfedSpec(package="/root/MLNX_OFED_LINUX-5.6-1.0.3.3-ubuntu20.04-x86_64.tgz", sha256="0" * 64)
    host = plan.site.ufm.host.model_copy(update={"install": InstallSpec(docker=docker, mlnx_ofed=ofed)})
    ufm = plan.site.ufm.model_copy(update={"host": host})
    return Plan(plan.site.model_copy(update={"ufm": ufm, "builder": Builder(address=plan.site.ufm.address)}))


def test_every_key_is_read_by_a_rule_a_document_or_a_resource(
    monkeypatch: pytest.MonkeyPatch, plan: Plan, tmp_path: Path
) -> None:
    read: set[tuple[type[Model], str]] = set()
    find = Model.__getattribute__

    def recorded(model: Model, name: str) -> Any:
        read.add((type(model), name))
        return find(model, name)

    site = parse(document(OPTIONAL))
    monkeypatch.setattr(Model, "__getattribute__", recorded)
    rules.check(site)
    rules.check(site.model_copy(update={"internet": False}))
    rendered(Plan(site))
    parameters(site, Role.COMPUTE)
    other = elsewhere(plan, tmp_path)
    record(plan, lambda operator: deploy(plan, operator) and None)
    record(other, lambda operator: deploy(other, operator) and None)
    steps(plan, proxy=BASTION)
    options(plan.site.ssh.model_copy(update={"proxy": BASTION}))
    monkeypatch.undo()
    assert [key.path for key in keys(Site) if _field(key.path) not in read] == []


def _field(path: str) -> tuple[type[Any], str]:
    """Return the model and the attribute of a key."""
    *above, last = path.replace("[]", ".0").split(".")
    parent = type_at(Site, tuple(above))
    assert parent
    assert parent.model
    name = next(name for name, field in parent.model.model_fields.items() if (field.alias or name) == last)
    return parent.model, name
