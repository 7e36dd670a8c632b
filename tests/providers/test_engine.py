"""A small stack on the real engine: the output of previews and the content of the state file."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.build import environment
from tests.providers.conftest import LabUfm
from tests.providers.server import PASSWORD

ROOT = Path(__file__).parents[2]
A, B, X = (f"b8599f0300b000{n}1" for n in range(1, 4))
PROGRAM = """
import pulumi
from providers import ufm

config = pulumi.Config()
secrets = {key: config.get_secret(key) for key in ("password", "previous_password")}
api = ufm.Provider("ufm", **config.require_object("ufm"), **secrets)
admin = ufm.AdminPassword("admin", generation=config.get_int("password_generation") or 1,
    opts=pulumi.ResourceOptions(provider=api))
after = pulumi.ResourceOptions(provider=api, depends_on=[admin])
token = ufm.AccessToken("neutron", generation=config.require_int("generation"), opts=after)
hosts = config.get_object("hosts")
members = ufm.find_members(hosts, provider=api) if hosts else config.require_object("members")
pkey = ufm.PKey("storage", pkey="0xb", members=members, **config.get_object("more") or {}, opts=after)
pulumi.export("token", token.token)
pulumi.export("members", pkey.member_count)
pulumi.export("user", admin.user)
"""

DYNAMIC = """
import pulumi
from pulumi.dynamic import CreateResult, Resource, ResourceProvider

class Former(ResourceProvider):
    def create(self, props):
        return CreateResult(OUTS["id"], {**props, **OUTS})

config = pulumi.Config()
members = config.require_object("members")
OUTS = {"id": "0xb", "member_count": len(members), "foreign": []}

class PKey(Resource, module="ufm", name="PKey"):
    def __init__(self, name, **props):
        super().__init__(Former(), name, props)

PKey("storage", pkey="0xb", members=members, membership="full", index0=False, ip_over_ib=True,
     ownership="authoritative", adopt=False)
"""
"""A stack of the time when these were dynamic resources."""

PROJECT = """
name: rack
runtime: python
plugins:
  providers:
    - name: ufm
      path: {plugin}
"""

pytestmark = pytest.mark.engine


LOGIN = "GET /app/ufm_version"
"""What the check of the provider's inputs asks UFM in each preview and `up`."""


class Stack:
    def __init__(self, folder: Path, ufm: LabUfm) -> None:
        self.folder, self.ufm = folder, ufm
        self.python_path = ROOT
        (folder / "state").mkdir()
        self.program(PROGRAM)
        self.plugin(ROOT / "providers/ufm")
        self.run("stack", "init", "test")
        self.run("config", "set", "--secret", "password", PASSWORD)
        # Relative, as in Pulumi.dev.yaml: the provider's working directory is the project's.
        (folder / "ca.pem").write_bytes(ufm.ca_file.read_bytes())
        self.configure(generation=1, members={"controller-1/ib0": A, "compute-1/ib0": B})
        self.reach(ufm.port)

    def program(self, text: str) -> None:
        (self.folder / "__main__.py").write_text(text)

    def plugin(self, folder: Path) -> None:
        """Start the plugin program of that folder."""
        (self.folder / "Pulumi.yaml").write_text(PROJECT.format(plugin=folder))

    def configure(self, **values: object) -> None:
        """Change values in the stack's file; None removes a value."""
        path = self.folder / "Pulumi.test.yaml"
        stack = yaml.safe_load(path.read_text())
        stack["config"] |= {f"rack:{key}": value for key, value in values.items()}
        stack["config"] = {key: value for key, value in stack["config"].items() if value is not None}
        path.write_text(yaml.safe_dump(stack))

    def reach(self, port: int) -> None:
        self.configure(ufm={"address": "127.0.0.1", "port": port, "ca_file": "ca.pem"})

    def run(self, *arguments: str, fails: bool = False) -> str:
        """Return the command's output."""
        env = {
            **os.environ,
            **environment(),
            "PATH": f"{ROOT}/.venv/bin:{environment()['PATH']}",
            "PYTHONPATH": str(self.python_path),
            "PULUMI_BACKEND_URL": f"file://{self.folder}/state",
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


def drifted(shown: str) -> list[str]:
    """Return the changed lines of a preview's or a refresh's diff, without spaces."""
    changed = [line for line in shown.splitlines() if re.match(r" *[-+~] ", line)]
    return [re.sub(r" +", " ", line).replace(" :", ":").strip() for line in changed]


def test_a_stack_is_created_unchanged_and_destroyed(stack: Stack, ufm: LabUfm) -> None:
    stack.up()
    found = ufm.client.get_pkey("0xb")
    assert found
    assert set(found.members) == {A, B}
    stack.up("--expect-no-changes")
    token = stack.run("stack", "output", "token", "--show-secrets").strip()
    assert [t["access_token"] for t in ufm.client.tokens()] == [token]
    held = stack.state
    assert PASSWORD not in held
    assert token not in held
    made = resources(held)
    assert made["AccessToken"]["outputs"]["token"]["ciphertext"]
    assert made["ufm"]["inputs"]["password"]["ciphertext"], "the provider's input is secret"

    stack.configure(generation=2)
    shown = stack.up()
    assert token not in shown
    assert PASSWORD not in shown
    assert [t["access_token"] for t in ufm.client.tokens()] != [token]

    stack.run("destroy", "--yes")
    assert set(ufm.client.list_pkeys()) == {"0x7fff"}
    assert ufm.client.tokens() == []


def test_each_kind_of_drift_is_shown_and_repaired(stack: Stack, ufm: LabUfm) -> None:
    """Kinds of drift: member removed, member added, membership changed, partition deleted, partition renamed."""
    ufm.core.release = "6.24.2-1"
    stack.configure(more={"partition_name": "storage", "qos": {"mtu_limit": 4}})
    stack.up()

    def refreshed() -> list[str]:
        stack.run("refresh", "--yes")
        return drifted(stack.run("preview", "--diff"))

    def repaired() -> None:
        stack.up()
        stack.up("--expect-no-changes")
        found = ufm.client.get_pkey("0xb")
        assert found
        assert set(found.members) == {A, B}
        assert found.name == "storage"
        assert found.qos["mtu_limit"] == 4
        assert {m.membership for m in found.members.values()} == {"full"}

    assert refreshed() == []
    ufm.client.remove_guids("0xb", [A])
    assert f'+ controller-1/ib0: "{A}"' in refreshed()
    repaired()
    ufm.client.add_guids("0xb", [X])
    assert f'- foreign/{X}: "{X}"' in refreshed()
    assert f"PKey 0xb: removing members that are not declared: {X}" in stack.up()
    repaired()
    ufm.client.add_guids("0xb", [B], membership="limited")
    assert f'~ compute-1/ib0: "{B} (limited)" => "{B}"' in refreshed()
    repaired()
    ufm.client.add_guids("0xb", [A, B], membership="limited")
    assert '~ membership: "limited" => "full"' in refreshed()
    repaired()
    ufm.client.set_guids("0xb", [A, B], ip_over_ib=True, partition_name="by_hand", mtu_limit=2)
    assert {'~ partition_name: "by_hand" => "storage"', "~ mtu_limit: 2 => 4"} <= set(refreshed())
    repaired()
    ufm.client.delete_pkey("0xb")
    assert "+ ufm:index:PKey: (create)" in refreshed()
    repaired()


def test_the_preview_reports_invalid_inputs(stack: Stack, ufm: LabUfm) -> None:
    stack.configure(members={"controller-1/ib0": A, "compute-1/ib0": A, "compute-2/ib0": "b859"})
    shown = stack.run("preview", fails=True)
    assert "found 'b859'; write a port GUID of 16 hex digits" in shown
    assert f"found '{A}' again; compute-1/ib0 has it; write another GUID" in shown
    assert ufm.calls == [LOGIN]
    stack.run("config", "set", "--secret", "password", "123456")
    shown = stack.run("preview", fails=True)
    assert "input password is UFM's default" in shown
    assert "123456" not in shown


def test_the_state_is_kept_while_ufm_is_unreachable(stack: Stack, ufm: LabUfm) -> None:
    stack.up()
    stack.reach(1)
    # Without --run-program the engine takes the provider's inputs of the last `up` from the state.
    shown = stack.run("refresh", "--yes", "--run-program", fails=True)
    assert re.search(r"UFM 127\.0\.0\.1:1 .*\(GET /ufmRest/.*\): no connection", shown), shown
    assert PASSWORD not in shown
    assert set(resources(stack.state)) >= {"PKey", "AccessToken", "AdminPassword"}


def test_a_wrong_password_fails_in_preview_and_up_and_is_not_stored(stack: Stack, ufm: LabUfm) -> None:
    stack.up()
    stack.run("config", "set", "--secret", "password", "mistyped_pw")
    current = ("refresh", "--yes", "--run-program")
    for shown in (stack.run("preview", fails=True), stack.up(fails=True), stack.run(*current, fails=True)):
        assert "user 'admin' is refused with the provider's password, UFM's default" in shown
        assert "correct the provider's input password" in shown
        assert "mistyped_pw" not in shown
    stack.run("refresh", "--yes", "--expect-no-changes")  # of the state, which has the right password


def test_a_preview_without_ufm_does_not_check_the_password(stack: Stack, ufm: LabUfm) -> None:
    stack.up()
    stack.reach(1)
    stack.run("config", "set", "--secret", "password", "mistyped_pw")
    assert "is refused" not in stack.run("preview")


def test_a_new_password_is_a_change_of_the_provider_and_of_generation(stack: Stack, ufm: LabUfm) -> None:
    stack.up()
    stack.run("config", "set", "--secret", "password", "canary_second")
    stack.run("config", "set", "--secret", "previous_password", PASSWORD)
    stack.configure(password_generation=2)
    shown = stack.run("preview", "--diff")
    assert "~ generation: 1 => 2" in drifted(shown)
    assert "canary_second" not in shown
    assert "replace" not in shown
    shown = stack.up()
    assert "2 updated" in shown
    assert "canary_second" not in shown
    stack.configure(previous_password=None)
    stack.up()
    stack.run("refresh", "--yes", "--expect-no-changes")


def test_the_preview_reports_adopted_and_different_partitions(stack: Stack, ufm: LabUfm) -> None:
    ufm.client.set_guids("0xb", [A, B], ip_over_ib=True)
    stack.run("config", "set", "--secret", "password", PASSWORD)
    assert "PKey 0xb exists as declared: it will be adopted without a write" in stack.run("preview")
    ufm.client.remove_guids("0xb", [B])
    ufm.client.add_guids("0xb", [X])
    shown = stack.run("preview", fails=True)
    assert f"it exists and differs: compute-1/ib0: missing, {X}: not declared; set adopt=True" in shown
    stack.configure(more={"adopt": True})
    shown = stack.run("preview")
    assert f"PKey 0xb exists and will be changed: compute-1/ib0: missing, {X}: not declared" in shown
    stack.configure(more={"ownership": "additive"})
    assert "PKey 0xb exists and will be changed: compute-1/ib0: missing" in stack.run("preview")
    stack.reach(1)
    assert "PKey 0xb: not compared with UFM: UFM 127.0.0.1:1" in stack.run("preview")
    assert {call.split()[0] for call in ufm.calls if "pkeys/0xb" in call} <= {"GET", "DELETE"}


def test_a_partition_is_imported_and_then_renamed_without_a_write(stack: Stack, ufm: LabUfm) -> None:
    ufm.fabric.add("controller-1", A)
    ufm.client.set_guids("0xb", [A, B], ip_over_ib=True)
    stack.configure(members={"controller-1/ib0": A})
    stack.up("--target", "**AdminPassword**")  # creates the provider, which the import refers to
    urn = resources(stack.state)["ufm"]["urn"]
    options = ["--provider", f"api={urn}", "--yes", "--generate-code=false", "--protect=false"]
    stack.run("import", "ufm:index:PKey", "storage", "0xb", *options)
    imported = resources(stack.state)["PKey"]
    assert imported["inputs"]["members"] == {"controller-1/1": A, f"unknown/{B}": B}
    stack.configure(members={"controller-1/ib0": A, "compute-1/ib0": B})
    assert ufm.calls
    stack.up()
    assert not [call for call in ufm.calls if call == "PUT /resources/pkeys"]
    assert set(resources(stack.state)["PKey"]["inputs"]["members"]) == {"controller-1/ib0", "compute-1/ib0"}


def test_a_stack_of_dynamic_resources_migrates_without_a_write(stack: Stack, ufm: LabUfm) -> None:
    stack.program(DYNAMIC)
    stack.up()
    assert resources(stack.state)["PKey"]["type"] == "pulumi-python:dynamic/ufm:PKey"
    ufm.client.set_guids("0xb", [A, B], ip_over_ib=True)
    stack.program(PROGRAM)
    assert ufm.calls
    shown = stack.up()
    assert not [call for call in ufm.calls if "pkeys" in call], "no request for an unchanged resource"
    assert "ufm:index:PKey: (" not in shown, shown
    migrated = resources(stack.state)["PKey"]
    assert migrated["type"] == "ufm:index:PKey"
    assert migrated["id"] == "0xb"
    stack.run("refresh", "--yes")
    stack.up("--expect-no-changes")


def test_the_engine_reads_the_schema(stack: Stack) -> None:
    """`pulumi package info` resolves every type of the schema before it prints a resource."""
    for resource in ("PKey", "PKeyGate", "PKeyOwner", "PKeyOwnerGuard", "AccessToken", "AdminPassword"):
        shown = stack.run("package", "info", f"{ROOT}/providers/ufm/pulumi-resource-ufm", "--resource", resource)
        assert f"Resource: ufm:index:{resource}" in shown


def test_find_members_returns_members_by_host_name(stack: Stack, ufm: LabUfm) -> None:
    ufm.fabric.add("controller-1", A)
    ufm.fabric.add("compute-1", B)
    stack.configure(hosts=["controller-1", "compute-1"])
    stack.up()
    assert resources(stack.state)["PKey"]["inputs"]["members"] == {"controller-1/1": A, "compute-1/1": B}
    stack.up("--expect-no-changes")
    stack.configure(hosts=["controller-1", "compute-2"])
    shown = stack.run("preview", fails=True)
    text = "no active port of compute-2; hosts with active ports: compute-1, controller-1; use the host names of UFM"
    assert text in shown


def test_an_installed_package_continues_a_stack_of_this_repository(stack: Stack, ufm: LabUfm, installed: Path) -> None:
    stack.up()
    stack.python_path = installed
    stack.plugin(installed / "bin")
    stack.program(PROGRAM.replace("from providers import ufm", "import pulumi_ufm as ufm"))
    ufm.asked.clear()
    shown = stack.up()
    assert '+ version : "0.1.0"' in shown, "the engine starts the plugin of the installed package"
    assert "1 updated" in shown
    assert "4 unchanged" in shown
    assert ufm.calls == [LOGIN]
    stack.configure(generation=2, members={"controller-1/ib0": A})
    stack.up()
    found = ufm.client.get_pkey("0xb")
    assert found
    assert set(found.members) == {A}
    stack.run("destroy", "--yes")
    assert set(ufm.client.list_pkeys()) == {"0x7fff"}
