"""SSH, roots and processes: what every kind of host has."""

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from lab.addresses import PROJECT
from lab.hosts import HostsPart, templates
from lab.hosts.machine import descendants
from lab.hosts.root import UBUNTU, Root
from lab.process import LabError, start_time, until
from rack.plan import Plan
from rack.wallaby import tools
from tests.lab.hosts.conftest import MARKS, Lab, dev_site, free_port

pytestmark = MARKS


# -- SSH


def test_a_wrong_host_key_is_refused(lab: Lab) -> None:
    assert lab.ok("ufm", "hostname") == "ufm\n"
    wrong = lab.folder / "wrong_hosts"
    lines = lab.known_hosts.read_text().splitlines()
    keys = [line.split(" ", 1)[1] for line in lines]
    wrong.write_text("".join(f"{line.split()[0]} {key}\n" for line, key in zip(lines, reversed(keys), strict=True)))
    options = [o.replace(str(lab.known_hosts), str(wrong)) for o in lab.options("ufm")]
    argv = ["ssh", *options, "-p", str(lab.plan.site.ssh.port), f"root@{lab.address('ufm')}", "touch /root/entered"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    assert done.returncode == 255
    assert "Host key verification failed" in done.stderr
    assert lab.run("ufm", "test -e /root/entered").returncode == 1


def test_an_unauthorised_key_is_refused(lab: Lab, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    options = [o.replace(str(lab.key), str(tmp_path / "key")) for o in lab.options("ufm")]
    argv = ["ssh", *options, "-p", str(lab.plan.site.ssh.port), f"root@{lab.address('ufm')}", "true"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    assert done.returncode == 255
    assert "Permission denied" in done.stderr


def test_ssh_returns_streams_and_status(lab: Lab) -> None:
    done = lab.run("ufm", "cat; echo out; echo err >&2; exit 7", "in\n")
    assert (done.returncode, done.stdout, done.stderr) == (7, "in\nout\n", "err\n")


def test_scp_and_sftp_copy_binary_data(lab: Lab, tmp_path: Path) -> None:
    content = os.urandom(300_000)
    (tmp_path / "up").write_bytes(content)
    port = ["-P", str(lab.plan.site.ssh.port)]
    target = f"root@{lab.address('undercloud')}:/root/blob"
    for command in (["scp", *lab.options("undercloud"), *port, str(tmp_path / "up"), target],
                    ["scp", *lab.options("undercloud"), *port, target, str(tmp_path / "down")]):  # fmt: skip
        subprocess.run(command, check=True, timeout=30, capture_output=True)
    assert (tmp_path / "down").read_bytes() == content
    argv = ["sftp", *lab.options("undercloud"), *port, "-b", "-", f"root@{lab.address('undercloud')}"]
    listed = subprocess.run(argv, input="ls -l /root/blob\n", check=True, timeout=30, capture_output=True, text=True)
    assert "300000" in listed.stdout


def test_twenty_sessions_run_at_once(lab: Lab) -> None:
    def session(number: int) -> str:
        return lab.ok("ufm", f"docker ps -aq; echo {number} > /tmp/session-{number}; cat /tmp/session-{number}")

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(session, range(20))) == [f"{n}\n" for n in range(20)]


# -- roots


def test_a_host_sees_only_its_own_files(lab: Lab) -> None:
    lab.ok("ufm", "echo mine > /etc/mine; mkdir -p /var/x /opt/x /home/x")
    assert lab.run("undercloud", "cat /etc/mine").returncode == 1
    assert not Path("/etc/mine").exists()
    assert "Read-only" in lab.refused("ufm", "touch /usr/bin/new")
    assert lab.run("ufm", f"ls {PROJECT}").returncode == 2, "the checkout is not in the root"


def test_files_have_owners_and_modes(lab: Lab) -> None:
    lab.ok("undercloud", "useradd -m stack")
    lab.ok("undercloud", "install -D -o stack -g stack -m 0600 /dev/stdin /home/stack/secret", "x")
    assert lab.ok("undercloud", "stat -c '%U %G %a' /home/stack/secret") == "stack stack 600\n"
    lab.ok("undercloud", "install -m 0600 /dev/stdin /root/secret", "x")
    assert "Permission denied" in lab.refused("undercloud", "su - stack -c 'cat /root/secret'")
    lab.ok("undercloud", "su - stack -c 'touch ~/own'; userdel -rf stack 2>/dev/null; test ! -e /home/stack")


def test_a_process_continues_after_its_session_and_ends_at_power_off(lab: Lab) -> None:
    lab.ok(
        "undercloud", "setsid sh -c 'while :; do date +%s%N > /tmp/beat; sleep 0.05; done' >/dev/null 2>&1 </dev/null &"
    )
    beat = lab.rack.undercloud.root.tree / "tmp/beat"
    assert until(beat.exists, 10)
    first = beat.read_text()
    assert until(lambda: beat.read_text() not in ("", first), 10)
    init = lab.rack.undercloud.init.pid()
    assert init
    running = descendants(init)
    assert any("beat" in Path(f"/proc/{pid}/cmdline").read_text() for pid in running)
    lab.rack.undercloud.shutdown()
    assert [pid for pid in running if start_time(pid)] == []
    lab.rack.undercloud.boot()


def test_paths_never_lead_out_of_the_root(tmp_path: Path) -> None:
    root = Root(tmp_path)
    root.make("h", UBUNTU, [])
    (root.tree / "etc/link").symlink_to("/home/target")
    (root.tree / "etc/up").symlink_to("../../../../tmp")
    (root.tree / "etc/loop").symlink_to("loop")
    assert root.resolve("/etc/link/x") == root.tree / "home/target/x"
    assert root.resolve("/etc/up") == root.tree / "tmp"
    assert root.resolve("../../../x", "/etc") == root.tree / "x"
    with pytest.raises(OSError, match="symbolic links"):
        root.resolve("/etc/loop")


def test_systemctl_and_hostnamectl_refuse_invalid_arguments(lab: Lab) -> None:
    assert "Unknown command verb" in lab.refused("ufm", "systemctl frobnicate docker")
    assert "Too few arguments" in lab.refused("ufm", "hostnamectl set-hostname")
    lab.ok("ufm", "systemctl disable docker; systemctl enable --now docker; systemctl daemon-reload")


# -- the part


def processes_of(folder: Path) -> list[str]:
    """Return the command lines that contain the folder. Every process of a host does, or has a parent that does."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(folder) in line:
                found.append(line)
    return found


@pytest.fixture
def part(tmp_path: Path) -> HostsPart:
    """The hosts as `make lab` runs them, in their own folder and on their own port, between fake backends."""
    document = yaml.safe_load((PROJECT / "Pulumi.dev.yaml").read_text())
    port = free_port()
    document["config"]["rack:site"]["ssh"].update(port=port, nodePort=port)
    stack = tmp_path / "Pulumi.test.yaml"
    stack.write_text(yaml.safe_dump(document))
    return HostsPart(
        Plan(dev_site(port=port, node_port=port)), stack, tmp_path / "hosts", "tests.lab.hosts.fakes:make", pace=0,
        serve_management=False,
    )  # fmt: skip


def ssh(part: HostsPart, folder: Path, port: int, address: str, command: str) -> subprocess.CompletedProcess[str]:
    argv = [
        "ssh", "-F", "none", "-i", str(folder / "id_ed25519"), "-o", f"UserKnownHostsFile={folder / 'known_hosts'}",
        "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "-p", str(port), f"root@{address}", command,
    ]  # fmt: skip
    return subprocess.run(argv, capture_output=True, text=True, timeout=30)


def test_the_part_starts_serves_and_stops_the_hosts(part: HostsPart, tmp_path: Path) -> None:
    said: list[str] = []
    folder = tmp_path / "hosts"
    port = int(yaml.safe_load((tmp_path / "Pulumi.test.yaml").read_text())["config"]["rack:site"]["ssh"]["port"])
    part.start(said.append)
    try:
        status = part.request(op="status")["hosts"]
        assert status["ufm"]["up"]
        assert status["undercloud"]["up"]
        assert not status["compute-1"]["up"]
        assert all(p.pid() for p in part.processes())
        assert len(part.processes()) == 5
        assert ssh(part, folder, port, "127.0.24.200", "docker version").returncode == 0
        part.start(said.append)
        assert len(said) == 1, "a second start changes nothing"
        # The hosts stay up when the keeper ends; its next start serves them again.
        part.keeper.stop()
        assert ssh(part, folder, port, "127.0.24.200", "hostname").stdout == "ufm\n"
        part.start(said.append)
        assert ssh(part, folder, port, "127.0.24.200", "docker version").returncode == 0
        with pytest.raises(LabError, match="compute-9"):
            part.request(op="reboot", node="compute-9")
    finally:
        ssh(part, folder, port, "127.0.24.200", "setsid sleep 1000 >/dev/null 2>&1 </dev/null &")
        part.stop(said.append)
    assert processes_of(folder) == []
    assert part.processes() == [part.keeper]
    assert not part.keeper.crashed()
    assert (folder / "ufm" / "root" / "etc").exists(), "the state is kept"
    with pytest.raises(LabError, match="does not answer"):
        part.request(op="status")
    part.forget()
    assert not folder.exists()


def test_templates_come_from_the_conformance_checks_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "FOLDER", tmp_path)
    monkeypatch.setattr(tools, "TEMPLATES_SHA256", "0" * 64)
    with pytest.raises(LabError, match="Unable to find tripleo-heat-templates-14"):
        templates.install(tmp_path / "target", released=False)
    with pytest.raises(LabError, match="HASHES"):
        templates.fetch(print)
    assert not (tmp_path / templates.NAME).exists()


def test_the_keepers_command_line() -> None:
    argv: Sequence[str] = [sys.executable, "-m", "lab.hosts", "--stak", "x"]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=PROJECT, timeout=60)
    assert done.returncode == 2
    assert "--stack" in done.stderr
