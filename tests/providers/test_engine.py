"""A small stack on the real engine: what a person sees in a preview, and what the state file holds."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.providers.conftest import LabUfm
from tests.providers.server import PASSWORD

ROOT = Path(__file__).parents[2]
A, B, X = (f"b8599f0300b000{n}1" for n in range(1, 4))
PROGRAM = """
import pulumi
from providers.ufm import AccessToken, AdminPassword, PKey

config = pulumi.Config()
admin = AdminPassword("admin")
after = pulumi.ResourceOptions(depends_on=[admin])
token = AccessToken("neutron", generation=config.require_int("generation"), opts=after)
pkey = PKey("storage", pkey="0xb", members=config.require_object("members"), opts=after)
pulumi.export("token", token.token)
pulumi.export("members", pkey.member_count)
pulumi.export("user", admin.user)
"""

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(not (ROOT / ".engine/bin/pulumi-resource-pulumi-python").exists(), reason="needs `make engine`"),
]


class Stack:
    def __init__(self, folder: Path, ufm: LabUfm) -> None:
        self.folder, self.ufm = folder, ufm
        (folder / "state").mkdir()
        (folder / "__main__.py").write_text(PROGRAM)
        (folder / "Pulumi.yaml").write_text("name: rack\nruntime: python\n")
        self.run("stack", "init", "test")
        self.run("config", "set", "--secret", "ufmPassword", PASSWORD)
        # Relative, as in Pulumi.dev.yaml: the provider's working directory is the project's.
        (folder / "ca.pem").write_bytes(ufm.ca_file.read_bytes())
        self.configure(generation=1, members={"controller-1/ib0": A, "compute-1/ib0": B})
        self.reach(ufm.port)

    def configure(self, **values: object) -> None:
        """Changes values in the stack's file; None takes one out."""
        path = self.folder / "Pulumi.test.yaml"
        stack = yaml.safe_load(path.read_text())
        stack["config"] |= {f"rack:{key}": value for key, value in values.items()}
        stack["config"] = {key: value for key, value in stack["config"].items() if value is not None}
        path.write_text(yaml.safe_dump(stack))

    def reach(self, port: int) -> None:
        self.configure(site={"ufm": {"address": "127.0.0.1", "port": port, "caFile": "ca.pem"}})

    def run(self, *arguments: str, fails: bool = False) -> str:
        """What the command shows."""
        env = {
            **os.environ,
            "PATH": f"{ROOT}/.engine/bin:{ROOT}/.venv/bin:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PULUMI_BACKEND_URL": f"file://{self.folder}/state",
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_CONFIG_PASSPHRASE": "x",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
        }
        argv = ["pulumi", *arguments, "--non-interactive", "--color=never"]
        done = subprocess.run(argv, cwd=self.folder, env=env, capture_output=True, text=True, timeout=120)
        shown = done.stdout + done.stderr
        assert (done.returncode != 0) is fails, shown
        return shown

    def up(self, *arguments: str, fails: bool = False) -> str:
        return self.run("up", "--yes", "--skip-preview", "--diff", *arguments, fails=fails)

    @property
    def state(self) -> str:
        return self.run("stack", "export")


@pytest.fixture
def stack(tmp_path: Path, ufm: LabUfm) -> Stack:
    folder = tmp_path / "project"
    folder.mkdir()
    return Stack(folder, ufm)


def resources(state: str) -> dict[str, Any]:
    return {r["type"].rpartition(":")[2]: r for r in json.loads(state)["deployment"]["resources"]}


def test_a_stacks_life(stack: Stack, ufm: LabUfm) -> None:
    stack.up()
    found = ufm.client.get_pkey("0xb")
    assert found and set(found.members) == {A, B}
    stack.up("--expect-no-changes")
    token = stack.run("stack", "output", "token", "--show-secrets").strip()
    assert [t["access_token"] for t in ufm.client.tokens()] == [token]
    held = stack.state
    assert PASSWORD not in held and token not in held
    made = resources(held)
    assert made["AccessToken"]["outputs"]["token"]["ciphertext"]
    assert isinstance(made["PKey"]["outputs"]["__provider"], str), "plain, as it holds a name only"

    ufm.client.add_guids("0xb", [X])
    ufm.client.remove_guids("0xb", [A])
    stack.run("refresh", "--yes")
    preview = stack.run("preview", "--diff")
    assert re.search(rf'\+ controller-1/ib0 *: "{A}"', preview), preview
    assert re.search(rf'- foreign/{X} *: "{X}"', preview), preview
    assert f"PKey 0xb: removing members that are not declared: {X}" in stack.up()
    found = ufm.client.get_pkey("0xb")
    assert found and set(found.members) == {A, B}

    stack.configure(generation=2)
    shown = stack.up()
    assert token not in shown and PASSWORD not in shown
    assert [t["access_token"] for t in ufm.client.tokens()] != [token]

    stack.run("destroy", "--yes")
    assert set(ufm.client.list_pkeys()) == {"0x7fff"} and ufm.client.tokens() == []


def test_what_is_wrong_is_told_in_the_preview(stack: Stack, ufm: LabUfm) -> None:
    stack.configure(members={"controller-1/ib0": A, "compute-1/ib0": A, "compute-2/ib0": "b859"})
    shown = stack.run("preview", fails=True)
    assert "found 'b859'; write a port GUID of 16 hex digits" in shown
    assert f"found '{A}' again; it is compute-1/ib0's" in shown
    assert ufm.calls == []
    stack.configure(ufmPassword=None)
    assert "pulumi config set --secret ufmPassword" in stack.run("preview", fails=True)


def test_a_ufm_out_of_reach_leaves_the_state_alone(stack: Stack, ufm: LabUfm) -> None:
    stack.up()
    stack.reach(1)
    # Without --run-program the engine takes the configuration of the last `up` from the state.
    shown = stack.run("refresh", "--yes", "--run-program", fails=True)
    assert re.search(r"UFM 127\.0\.0\.1:1 .*\(GET /ufmRest/.*\): no connection", shown), shown
    assert PASSWORD not in shown
    assert set(resources(stack.state)) >= {"PKey", "AccessToken", "AdminPassword"}
