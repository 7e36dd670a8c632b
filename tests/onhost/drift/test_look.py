"""The program that looks at a host: it answers from what is there, and changes nothing."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from onhost import shipping
from onhost.drift import containers, units
from onhost.drift.cloud import LOADER, answered, deployment, with_program
from onhost.drift.files import file_facts, ini_options
from onhost.drift.orders import AdapterLook, CloudLook, LookOrder, NodeLook, UfmLook
from onhost.drift.units import LookError, output
from onhost.undercloud.common import Fault
from onhost.undercloud.orders import SshAccess, encode

EMPTY = LookOrder(files={}, units=[], jobs=[], options={}, deployed=False)
WHOLE = LookOrder(
    files={"/etc/x": "abc"},
    units=["a"],
    jobs=["b"],
    options={"/etc/y": ["s/o"]},
    deployed=True,
    adapter=AdapterLook("c5:00.0", ["mstconfig"], "10de:20b5"),
    ufm=UfmLook("ufm:1", "ib0", "/var/lib/x", "address", "ufm"),
    cloud=CloudLook(
        "overcloud", True, [NodeLook("n", "192.0.2.1", "key", SshAccess("admin", 22, "overcloud"), EMPTY)], ["c"]
    ),
)


@pytest.mark.parametrize("order", [EMPTY, WHOLE])
def test_an_encoded_order_decodes_to_itself(order: LookOrder) -> None:
    assert LookOrder.decode(encode(order)) == order


def run(order: LookOrder, **env: str) -> Any:
    """Run the shipped program as SSH does: it comes on standard input."""
    given = with_program(shipping.program("drift.look"), encode(order))
    command = [sys.executable, "-c", LOADER]
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, env={**os.environ, **env}, check=True, cwd="/"
    )
    return json.loads(done.stdout)


def test_the_program_answers_every_question(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("text")
    order = EMPTY._replace(files={str(tmp_path / "x"): "", str(tmp_path / "none"): ""}, jobs=["no-such-job"])
    found = run(order)
    assert found["files"][str(tmp_path / "x")]["answer"]["sha256"] == hashlib.sha256(b"text").hexdigest()
    assert found["files"][str(tmp_path / "none")] == {"answer": None}
    assert found["jobs"] == {"no-such-job": {"answer": {}}}


def test_a_part_that_fails_does_not_hide_the_others(tmp_path: Path) -> None:
    """There are neither podman, adapter nor user stack here."""
    found = run(WHOLE._replace(files={str(tmp_path): ""}, ufm=None), PATH=f"{tmp_path}:/usr/bin:/bin")
    assert found["files"][str(tmp_path)]["answer"]["kind"] == "no file"
    assert found["adapter"]["fault"] == "no mstconfig on the node"
    assert "podman" in found["containers"]["fault"]
    assert found["cloud"]["fault"].startswith(("as user stack: ", "[Errno 2]"))


# -- files


def test_only_a_file_without_a_secret_that_differs_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("text")
    other, own = hashlib.sha256(b"other").hexdigest(), hashlib.sha256(b"text").hexdigest()
    shown, same, secret = (file_facts(str(file), digest) for digest in (other, own, ""))
    assert shown
    assert shown["text"] == "text"
    assert "text" not in (same or {})
    assert "text" not in (secret or {})


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    facts = file_facts(str(tmp_path / "link"), "x")
    assert facts
    assert (facts["kind"], facts.get("text")) == ("link", None)


def test_mode_and_owner_are_told(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.touch()
    if os.geteuid() == 0:
        os.chown(file, 4_000_000, 0)
    file.chmod(0o4640)
    facts = file_facts(str(file), "")
    assert facts
    assert facts["mode"] == "4640"
    assert facts["owner"] == ("4000000" if os.geteuid() == 0 else facts["owner"])


def test_options_are_read_as_oslo_config_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "x.ini"
    file.write_text("# [sdn]\n[sdn]\nurl = a\nurl=b\n#token = x\n[mlnx]\nurl: c\n")
    assert ini_options(str(file), ["sdn/url", "mlnx/url", "sdn/token"]) == {
        "sdn/url": "b", "mlnx/url": "c", "sdn/token": None,
    }  # fmt: skip
    assert ini_options(str(tmp_path / "none"), ["a/b"]) is None


# -- containers, units, jobs


def test_only_containers_that_run_all_the_time_are_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "step_4"
    folder.mkdir()
    for name, config in {
        "nova_compute": {"image": "nova:1", "restart": "always"},
        "hashed-neutron": {"image": "neutron:1", "restart": "unless-stopped"},
        "nova_db_sync": {"image": "nova:1"},
        "create_flavor": {"action": "exec", "restart": "no"},
    }.items():
        (folder / f"{name}.json").write_text(json.dumps(config))
    monkeypatch.setattr(containers, "STARTUP", f"{tmp_path}/step_*/*.json")
    assert {name: c["image"] for name, c in containers.startup().items()} == {
        "nova_compute": "nova:1", "neutron": "neutron:1",
    }  # fmt: skip


def test_the_newest_run_of_a_job_is_told_without_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (2, 10):
        folder = tmp_path / "deploy" / str(number)
        folder.mkdir(parents=True)
        state = {"key": f"k{number}", "command": ["s3cret"], "status": 0, "at": 1.0, "ended": 2.0}
        (folder / "state").write_text(json.dumps(state))
    monkeypatch.setattr(units, "JOBS", str(tmp_path))
    assert units.job_facts("deploy") == {"key": "k10", "status": 0, "at": 1.0, "ended": 2.0}


def test_a_failed_command_is_named_with_its_reason() -> None:
    with pytest.raises(LookError, match="`sh -c`: broken"):
        output("sh", "-c", "echo broken >&2; exit 3")
    with pytest.raises(LookError, match="`no-such-tool`: No such file"):
        output("no-such-tool")
    assert output("no-such-tool", missing="") == ""


# -- the cloud


def test_the_status_of_the_last_deployment_is_read(tmp_path: Path) -> None:
    file = tmp_path / "status.yaml"
    assert deployment(file) is None
    file.write_text("deployment_status: DEPLOY_FAILED\n")
    found = deployment(file)
    assert found
    assert found["status"] == "DEPLOY_FAILED"
    assert found["at"] == file.stat().st_mtime


def test_a_fault_is_an_answer_in_one_line() -> None:
    def fail() -> None:
        raise Fault("the client\n  failed")

    assert answered(fail) == {"fault": "the client failed"}
