"""Invalid stack files through `pulumi preview`: the messages are those of `python -m rack check`."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from engine.build import environment
from rack.site.load import ConfigError, load_stack_file
from tests.engine.record import ARMOURED, BESIDE, PROGRAM, PROJECT, STATES

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

DEV = (PROJECT / "Pulumi.dev.yaml").read_text()
SECRET = "hunter2-hunter2"
BESIDE_TEXTS = {path: (STATES / "0.1.0" / name).read_text() for path, name in BESIDE.items()}
FILES = {
    # what is wrong: text of the dev stack, its replacement
    "type": ("port: 8443", 'port: "8443"'),
    "unknown key": ("vfs: 8", "vfz: 8"),
    "rule": ("address: 127.0.24.11\n", "address: 127.0.24.60\n"),
    "types and rules": ("vlan: 11\n", "vlan: 12\n          mtu: x\n"),
    "many": ("role: ComputeSriovIB\n        address: 127.0.24.2", "role: 5\n        address: 127.0.24.5"),
    "exponent": ("vfs: 8", "vfs: 85e-1"),
    "octal": ("vlan: 11\n", "vlan: 013\n"),
    "key that is no text": ("vfs: 8", "vfs: 8\n      1: 2"),
    "secret in plain text": ("  rack:site:\n", f"  rack:registryPassword: {SECRET}\n  rack:site:\n"),
    "password of no node": (
        "  rack:site:\n",
        "  rack:ipmiPasswords:\n    compute-9:\n      secure: {secure}\n  rack:site:\n",
    ),
}


class Stack:
    """A project with the program of this checkout and the lab's files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in PROGRAM:
            (folder / name).symlink_to(PROJECT / name)
        (folder / "backend").mkdir()
        for path, text in {"hosts/id_ed25519": ARMOURED, **BESIDE_TEXTS}.items():
            (folder / ".lab" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / ".lab" / path).write_text(text)
        self.file = folder / "Pulumi.dev.yaml"
        self.file.write_text(DEV)
        self.run("stack", "init", "dev", "--secrets-provider=passphrase")

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        variables = {"PULUMI_BACKEND_URL": (self._folder / "backend").as_uri(), "PULUMI_CONFIG_PASSPHRASE": "lab"}
        command = ["pulumi", *arguments, "--non-interactive", "--color=never"]
        env = {**os.environ, **environment(), **variables}
        return subprocess.run(command, cwd=self._folder, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return Stack(tmp_path_factory.mktemp("stack"))


@pytest.mark.parametrize(("old", "new"), FILES.values(), ids=FILES)
def test_preview_reports_what_check_reports(stack: Stack, old: str, new: str) -> None:
    assert old in DEV
    sealed = re.search(r"secure: (v1:\S+)", DEV)
    assert sealed
    stack.file.write_text(DEV.replace(old, new.replace("{secure}", sealed[1])))
    with pytest.raises(ConfigError) as error:
        load_stack_file(stack.file)
    done = stack.run("preview", "--stack=dev")
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Traceback" not in said, said
    assert SECRET not in said
    lines = [line.strip() for line in said.splitlines()]
    assert [line for line in str(error.value).splitlines() if line.strip() not in lines and "problem" not in line] == []
    assert "+ 1 to create" in said, "the stack itself, and no other resource"


def test_a_node_may_have_its_own_ipmi_password(stack: Stack) -> None:
    """The engine supplies each node's password: only the nodes without one are missing."""
    stack.file.write_text(re.sub(r"  rack:ipmiPassword:\n.*\n", "", DEV))
    path = ("--path", "rack:ipmiPasswords.compute-1")
    assert stack.run("config", "set", "--secret", *path, SECRET, "--stack=dev").returncode == 0
    assert SECRET not in stack.file.read_text()
    done = stack.run("preview", "--stack=dev")
    missing = "rack:ipmiPassword: missing, for compute-2, controller-1, controller-2, controller-3; run `pulumi config"
    assert missing in done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_a_preview_while_an_existing_ufm_is_down_shows_the_stack(stack: Stack) -> None:
    """A pinned certificate that was never read is unknown. No UFM of the lab has this address."""
    document = yaml.safe_load(DEV)
    ufm = {"address": "127.0.24.203", "port": 8443, "fingerprint": "ab" * 32}
    document["config"]["rack:site"]["ufm"] = ufm
    stack.file.write_text(yaml.safe_dump(document))
    done = stack.run("preview", "--stack=dev")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "presents no certificate" in done.stdout
    assert "overcloud-deploy" in done.stdout
