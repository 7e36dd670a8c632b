"""Two stacks, one rack: the second one is refused before its first write, and deletes nothing, until it takes over.

The second stack is a copy of the first one's configuration, in a project folder of its own, against the same lab.
"""

import hashlib
import json
import os
import re
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.build import environment
from lab import addresses
from lab.cloud.client import Session
from lab.cloud.configuration import GLANCE, NEUTRON, NOVA
from lab.hosts.connections import Connections
from tests.engine.conftest import PROJECT, STACK, Pulumi
from tests.engine.record import PROGRAM
from tests.engine.test_rack import edited, served_certificate, writes

pytestmark = [pytest.mark.lab, pytest.mark.engine, pytest.mark.timeout(1800)]

FILES = (*(name for name in PROGRAM if name != "__main__.py"), ".lab")
WHOLE = (PROJECT / "__main__.py").read_text()
UFM_ONLY = """\
import pulumi

import components as c
from access.local import ufm_ca
from access.ssh import Operator
from rack.plan import Plan
from rack.site.load import load

config = pulumi.Config()
site = load(config.require_object("site"), pulumi.get_stack())
plan = Plan(site, pulumi.get_stack(), ufm_ca(site.ufm))
operator = Operator.load(site)
ownership = c.Ownership(plan, operator, c.Owner("owner"), config.get("takeFrom"))
ufm = c.UfmHost("ufm", plan, operator, ownership, None, config.require_secret("ufmPassword"))
ownership.guard(ufm.api, [ufm, *ownership.claims])
"""
"""The first part of the program: a takeover of the whole rack would deploy it again."""
VOLATILE = ("run", "tmp", "proc", "var/log", "var/run", "var/tmp", "root/.ssh")
CLOUD = {
    "servers": f"{NOVA}/servers/detail?all_tenants=1",
    "flavors": f"{NOVA}/flavors/detail",
    "networks": f"{NEUTRON}/v2.0/networks",
    "ports": f"{NEUTRON}/v2.0/ports",
    "images": f"{GLANCE}/v2/images",
}


class Copy:
    """Another stack with the configuration of the dev stack."""

    def __init__(self, folder: Path, name: str, program: str = WHOLE) -> None:
        self.folder, self.name = folder, name
        for path in FILES:
            (folder / path).symlink_to(PROJECT / path)
        (folder / "__main__.py").write_text(program)
        (folder / "backend").mkdir()
        self.file = folder / f"Pulumi.{name}.yaml"
        self.file.write_text(STACK.read_text())
        self.run("stack", "init", name, "--secrets-provider=passphrase")

    def run(self, *arguments: str, fails: bool = False) -> str:
        """Run `pulumi ARGUMENTS` and return its output."""
        backend = {"PULUMI_BACKEND_URL": (self.folder / "backend").as_uri(), "PULUMI_CONFIG_PASSPHRASE": "lab"}
        command = ["pulumi", *arguments, f"--stack={self.name}", "--non-interactive", "--color=never"]
        if arguments[:2] == ("stack", "init"):
            command.remove(f"--stack={self.name}")
        env = {**os.environ, **environment(), **backend, "PULUMI_SKIP_CONFIRMATIONS": "true"}
        done = subprocess.run(
            command, cwd=self.folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        assert (done.returncode != 0) == fails, done.stdout[-8000:]
        return done.stdout

    def configure(self, edit: Callable[[dict[str, Any]], object]) -> None:
        """Edit the stack's configuration."""
        document = yaml.safe_load(self.file.read_text())
        edit(document["config"])
        self.file.write_text(yaml.safe_dump(document))

    @property
    def resources(self) -> set[str]:
        """The names of the resources in the state, without components and providers."""
        state = json.loads(self.run("stack", "export"))["deployment"].get("resources", [])
        custom = [r["urn"] for r in state if r.get("custom") and not r["type"].startswith("pulumi:providers")]
        return {urn.rpartition("::")[2] for urn in custom}


def existing_ufm(config: dict[str, Any]) -> None:
    """Let UFM be one that exists, known by its certificate: then a preview can ask it."""
    ufm = config["rack:site"]["ufm"]
    del ufm["host"]
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(served_certificate())).hexdigest()
    ufm["fingerprint"] = ":".join(digest[i : i + 2] for i in range(0, 64, 2)).upper()


def rack() -> dict[str, Any]:
    """Return what a stack could change: every file of UFM's host and the undercloud, and the cloud's objects."""
    session = Session()
    found: dict[str, Any] = {kind: session.get(url)[kind] for kind, url in CLOUD.items()}
    for host in ("ufm", "undercloud"):
        root = addresses.STATE / "hosts" / host / "root"
        for path in sorted(root.rglob("*")):
            name = str(path.relative_to(root))
            if not name.startswith(VOLATILE) and path.is_file() and not path.is_symlink():
                found[f"{host}/{name}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def mark(host: str) -> dict[str, str]:
    """Return the owner mark on a host."""
    found: dict[str, str] = json.loads((addresses.STATE / "hosts" / host / "root/var/lib/rack/owner.json").read_text())
    return found


def id_of(stack: Pulumi) -> str:
    resources = stack.json("stack", "export")["deployment"]["resources"]
    (found,) = [r["outputs"]["stdout"] for r in resources if r["urn"].endswith("::owner-id")]
    return str(found)


@pytest.fixture(scope="module")
def copy(deployed: Pulumi, tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("copy"), "copy")


@pytest.fixture
def untouched(copy: Copy) -> Any:
    """Compare the rack before and after the test, object by object."""
    before, asked = rack(), len(writes())
    yield
    assert writes()[asked:] == [], "UFM"
    assert rack() == before


def test_the_hosts_carry_the_stack_s_mark(deployed: Pulumi) -> None:
    for host in ("ufm", "undercloud"):
        found = mark(host)
        assert (found["project"], found["stack"], found["id"]) == ("rack", "dev", id_of(deployed))


@pytest.mark.usefixtures("untouched")
def test_an_up_of_a_copied_configuration_fails_before_its_first_write(deployed: Pulumi, copy: Copy) -> None:
    said = copy.run("up", "--yes", "--skip-preview", fails=True)
    whose = rf"UFM host \(127.0.24.200\): it belongs to stack dev of project rack \(ID {id_of(deployed)}, since 2\S+\)"
    assert re.search(whose, said), said
    assert f"pulumi config set takeFrom {id_of(deployed)}" in said
    assert copy.resources == {"owner-id"}


@pytest.mark.usefixtures("untouched")
def test_a_preview_that_can_ask_ufm_names_the_owner(deployed: Pulumi, copy: Copy) -> None:
    """Without SSH. The stack's first preview cannot log in at a UFM whose certificate it has yet to read over SSH."""
    copy.configure(existing_ufm)
    connections = Connections(addresses.STATE / "hosts")
    said = copy.run("preview", fails=True)
    assert f"it belongs to stack dev of project rack (ID {id_of(deployed)}, since 2" in said, said
    assert connections() == 0
    assert "PKey 0x65: it belongs to" in copy.run("up", "--yes", "--skip-preview", fails=True)


@pytest.mark.usefixtures("untouched")
def test_a_destroy_of_a_copied_state_deletes_nothing(deployed: Pulumi, tmp_path: Path) -> None:
    state = json.dumps(deployed.json("stack", "export")).replace("urn:pulumi:dev::", "urn:pulumi:double::")
    double = Copy(tmp_path, "double")
    (tmp_path / "state.json").write_text(state)
    double.run("stack", "import", "--file=state.json")
    said = double.run("destroy", "--yes", "--skip-preview", "--refresh=false", fails=True)
    assert "it belongs to stack dev of project rack" in said, said
    assert "so nothing was deleted" in said
    assert not_deleted(said), said


@pytest.fixture(scope="module")
def taker(deployed: Pulumi, tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """Return a third stack, for which UFM exists: it does not enter UFM's host."""
    taker = Copy(tmp_path_factory.mktemp("taker"), "taker", UFM_ONLY)
    taker.configure(existing_ufm)
    return taker


def not_deleted(said: str) -> bool:
    return not re.findall(r"(?<!protection) deleted \(", said)


def test_taking_over_needs_the_owner_s_id_and_stops_the_former_owner(deployed: Pulumi, taker: Copy) -> None:
    taker.configure(lambda config: config.update({"rack:takeFrom": "00000000"}))
    assert "it belongs to stack dev" in taker.run("up", "--yes", "--skip-preview", fails=True)
    assert mark("undercloud")["stack"] == "dev"
    taker.configure(lambda config: config.update({"rack:takeFrom": id_of(deployed)}))
    assert "pulumi config rm takeFrom" in taker.run("up", "--yes", "--skip-preview")
    assert mark("undercloud")["stack"] == "taker"
    assert mark("ufm")["stack"] == "dev"
    before, asked = rack(), len(writes())
    for command in ("preview", "up", "refresh", "destroy"):
        words = () if command == "preview" else ("--yes", "--skip-preview")
        said = deployed(command, *words, fails=True)
        assert f"it belongs to stack taker of project rack (ID {mark('undercloud')['id']}, since 2" in said, said
        assert not_deleted(said), said
    assert writes()[asked:] == []
    assert rack() == before


def test_the_former_owner_takes_back_in_the_same_way(deployed: Pulumi, taker: Copy, tmp_path: Path) -> None:
    changed = edited(tmp_path, lambda site: None)
    document = yaml.safe_load(changed.read_text())
    document["config"]["rack:takeFrom"] = mark("undercloud")["id"]
    changed.write_text(yaml.safe_dump(document))
    deployed("up", "--yes", "--skip-preview", "--config-file", str(changed))
    assert mark("undercloud")["id"] == mark("ufm")["id"] == id_of(deployed)
    deployed("up", "--yes", "--skip-preview")
    deployed("up", "--yes", "--skip-preview", "--expect-no-changes")
    for command in ("up", "destroy"):
        said = taker.run(command, "--yes", "--skip-preview", fails=True)
        assert f"it belongs to stack dev of project rack (ID {id_of(deployed)}" in said, "its takeFrom is used up"
        assert not_deleted(said), said
    deployed("up", "--yes", "--skip-preview", "--expect-no-changes")
