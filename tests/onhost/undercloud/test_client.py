"""The OpenStack client: its output, its errors, and a login that is in no environment."""

import json
import os
import stat
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from onhost import shipping
from onhost.undercloud.client import AUTH, SETTINGS, cloud_config, login_passed, openstack, openstack_json, read_login
from onhost.undercloud.common import Fault
from onhost.undercloud.orders import SshAccess, WaveMember, WaveOrder, encode

CANARY = 'it\'s $HOME "canary" \\'
RC = """\
# Clear any old environment that may conflict.
for key in $( set | awk '{FS="="}  /^OS_/ {print $1}' ); do unset $key ; done
export OS_USERNAME=admin
export OS_PROJECT_NAME=admin
export OS_USER_DOMAIN_NAME=Default
export OS_PROJECT_DOMAIN_NAME=Default
export OS_NO_CACHE=True
export OS_CLOUDNAME=overcloud
export no_proxy=192.0.2.5
export PYTHONWARNINGS='ignore:Certificate has no'
export OS_AUTH_TYPE=password
export OS_PASSWORD='it'"'"'s $HOME "canary" \\'
export OS_AUTH_URL=http://192.0.2.5:5000
export OS_IDENTITY_API_VERSION=3
export OS_COMPUTE_API_VERSION=2.latest
export OS_REGION_NAME=regionOne
if [ -z "${CLOUDPROMPT_ENABLED:-}" ]; then
    export PS1=${PS1:-""}
    export CLOUDPROMPT_ENABLED=1
fi
"""
"""As tripleo_common.utils.overcloudrc writes it."""

CLIENT = """\
#!/bin/sh
cat /proc/self/environ /proc/$$/environ >> "$DUMP"
if [ -n "${OS_CLIENT_CONFIG_FILE:-}" ]; then cat "$OS_CLIENT_CONFIG_FILE" > "$DUMP.clouds"; fi
echo reason >&2
[ "$1" != fail ] || exit 3
echo "[\\"$*\\"]"
"""


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A client that prints its arguments, fails for `fail`, and dumps its environment and clouds.yaml."""
    program = tmp_path / "openstack"
    program.write_text(CLIENT)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("DUMP", str(tmp_path / "dump"))
    monkeypatch.setenv("OS_USERNAME", "of-stackrc")
    (tmp_path / "rc").write_text(RC)
    return tmp_path


def test_the_client_s_output_is_returned(client: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert openstack("server", "list") == '["server list"]\n'
    assert capfd.readouterr() == ("", "")
    assert openstack("server", "list", shown=True) == ""
    out, err = capfd.readouterr()
    assert (out, sorted(err.splitlines())) == ("", ['["server list"]', "reason"])
    assert openstack_json("a b") == ["a b -f json"]


def test_the_environment_s_login_is_used_without_an_rc_file(client: Path) -> None:
    openstack("a")
    assert "OS_USERNAME=of-stackrc\0" in (client / "dump").read_text()


@pytest.mark.parametrize(("shown", "reason"), [(False, "reason"), (True, "see its output above")])
def test_a_failed_client_command_raises_with_command_and_reason(client: Path, shown: bool, reason: str) -> None:
    with pytest.raises(Fault, match=rf"\A`openstack fail x` failed with status 3: {reason}\Z"):
        openstack("fail", "x", shown=shown)


@pytest.mark.parametrize("fails", [False, True])
def test_the_login_of_an_rc_file_is_on_a_descriptor_and_in_no_environment(client: Path, fails: bool) -> None:
    with pytest.raises(Fault, match="reason") if fails else nullcontext():
        openstack("fail" if fails else "a", login=str(client / "rc"))
    environment = (client / "dump").read_text()
    assert "canary" not in environment
    variables = dict(entry.partition("=")[::2] for entry in environment.split("\0"))
    assert {name for name in variables if name.startswith("OS_")} == {"OS_CLOUD", "OS_CLIENT_CONFIG_FILE"}
    assert variables["no_proxy"] == "192.0.2.5"
    (cloud,) = json.loads((client / "dump.clouds").read_text())["clouds"].items()
    assert cloud == (
        variables["OS_CLOUD"],
        {
            "auth": {
                "auth_url": "http://192.0.2.5:5000", "username": "admin", "password": CANARY, "project_name": "admin",
                "user_domain_name": "Default", "project_domain_name": "Default",
            },
            "region_name": "regionOne", "identity_api_version": "3", "compute_api_version": "2.latest",
        },
    )  # fmt: skip


def test_the_file_of_a_login_has_no_name_and_belongs_to_its_user(client: Path) -> None:
    with login_passed(str(client / "rc")) as environment:
        (descriptor,) = environment.descriptors
        found = os.fstat(descriptor)
        assert found.st_nlink == 0
        assert stat.S_IMODE(found.st_mode) == 0o600
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


@pytest.mark.parametrize(
    ("text", "reason"), [(None, "rc"), ("exit 1\n", "no OS_PASSWORD"), ("OS_USERNAME=x\n", "no OS_P")]
)
def test_an_rc_file_without_a_login_is_reported(client: Path, text: str | None, reason: str) -> None:
    (client / "rc").unlink()
    if text:
        (client / "rc").write_text(text)
    fix = "write it again: openstack overcloud credentials"
    with pytest.raises(Fault, match=f"cannot read the cloud's login from .*/rc: .*{reason}.*; {fix}"):
        read_login(str(client / "rc"))


def test_absent_variables_are_left_out_of_clouds_yaml() -> None:
    login = {**dict.fromkeys((*AUTH, *SETTINGS), ""), "OS_PASSWORD": "x"}
    assert cloud_config(login) == {"clouds": {"rack": {"auth": {"password": "x"}}}}


def test_a_wave_that_fails_leaves_the_password_nowhere(client: Path) -> None:
    """The shipped program, with an `ssh` that reaches no node, and a client that fails."""
    home = client / "home"
    (home / "temporary").mkdir(parents=True)
    (home / "overcloudrc").write_text(RC)
    (client / "wave.py").write_text(shipping.program("undercloud.wave"))
    for name, text in {"ssh": 'cat /proc/self/environ >> "$DUMP"; exit 255', "openstack": CLIENT + "exit 1"}.items():
        (client / name).write_text(f"#!/bin/sh\n{text}\n")
        (client / name).chmod(0o755)
    names = {"HOME": home, "TMPDIR": home / "temporary", "PATH": os.environ["PATH"], "DUMP": client / "dump"}
    variables = {name: str(value) for name, value in names.items()}
    command = [sys.executable, str(client / "wave.py")]
    done = subprocess.run(command, input=encode(ORDER), env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    seen = [done.stdout, done.stderr, (client / "dump").read_text()]
    assert [text for text in seen if "canary" in text] == []
    assert [*(home / "temporary").iterdir()] == []


ORDER: Any = WaveOrder(
    kind="compute", nodes=[WaveMember("compute-1", "192.0.2.21", "host")], host_keys=[],
    ssh=SshAccess("heat-admin", 22, "overcloud"), tool="auto", device="c5:00.0", settings={}, minimum_release=None,
    instances="refuse", alone=False, boot_mode="bios", kernel_args="", gpu="10de:20b5", read_request=None,
    drain_limit=0.1, reboot_limit=0.1, pauses=[0.01, 0.01], check_list=False,
)  # fmt: skip
