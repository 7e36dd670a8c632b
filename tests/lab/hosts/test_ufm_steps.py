"""The commands of the component UfmHost on the lab's UFM node (U1 to U6, O6).

They run as Pulumi runs them: new and changed ones in order, deletions in reverse order. Each test leaves the host as it
found it.
"""

import json
import os
import socket
import ssl
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from io import BytesIO
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import components as c
from access.ssh import Operator
from components import ufm_host
from lab.addresses import PROJECT
from lab.hosts.state import UfmState, Unit
from lab.ufm import tls
from lab.ufm.listener import Listener
from onhost import shipping
from rack.plan import Plan
from tests.components.conftest import loops, no_callbacks, ownership, record  # noqa: F401 - for Pulumi's mocks
from tests.engine.record import STATE_FILE, STATES
from tests.lab.hosts.conftest import MARKS, Lab, free_port

pytestmark = MARKS

OLD, NEW = "mellanox/ufm-enterprise:6.14.5-2", "mellanox/ufm-enterprise:6.19.3-1"
INSTALLER = "mellanox/ufm-enterprise-installer:6.14.5-2"
FORMS = {"current": None, "guide": INSTALLER}
GUID = "b8599f0300b00001"
PORT = free_port()
"""Of UFM's REST API."""
CERTIFICATE = "/var/ufm_files/conf/webclient/server.crt"

Done = subprocess.CompletedProcess[str]


def run(lab: Lab, command: str, stdin: str = "") -> Done:
    """Run a command as an SSH session does, without the connection, which takes longer than the command."""
    argv = lab.rack.ufm.enter(["/usr/local/libexec/session", command])
    environment = {"HOME": "/root"}
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=120, check=False, env=environment)


def ok(lab: Lab, command: str, stdin: str = "") -> str:
    """Run a command that must succeed; return its standard output."""
    done = run(lab, command, stdin)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


class Stack:
    """Runs the steps of UFM's host as `pulumi up` and `destroy` do."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.applied: dict[str, dict[str, Any]] = {}
        self.license_text = "LICENCE"
        self.ran: list[str] = []
        """The steps of the last `up`."""

    def up(self, limit: int = 60, cut: str = "", **host: Any) -> Done:
        """Run new and changed steps up to the first failure; return the result of the last one.

        Args:
            limit: seconds to wait for UFM.
            cut: line of the program at which the power fails.
            host: other keys of `ufm.host`.
        """
        self.ran = []
        done = Done([], 0, "", "")
        if cut:
            ok(self.lab, f"sed -i 's/^  {cut}$/  kill -9 $$/' {ufm_host.PROGRAM}")
        for name, inputs in self._program(**host).items():
            before = self.applied.get(name)
            if before == inputs:
                continue
            self.ran.append(name)
            text = inputs["update" if before else "create"]
            done = self._on_host(text.replace(f"LIMIT={ufm_host.START_SECONDS}", f"LIMIT={limit}"), inputs)
            if done.returncode:
                break
            self.applied[name] = inputs
        if cut:
            ship(self.lab)
        return done

    def ok(self, **host: Any) -> str:
        done = self.up(**host)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def refused(self, **host: Any) -> str:
        done = self.up(limit=0, **host)
        assert done.returncode not in (0, 70, 255), done.stdout + done.stderr
        return done.stderr

    def destroy(self) -> None:
        for name in reversed(list(self.applied)):
            inputs = self.applied.pop(name)
            if "delete" in inputs:
                done = self._on_host(inputs["delete"], inputs)
                assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"

    def forget(self, name: str) -> None:
        """Remove a step from the state, as if `pulumi up` had been killed before it wrote the state."""
        self.applied.pop(name)

    def _on_host(self, text: str, inputs: dict[str, Any]) -> Done:
        return run(self.lab, text, inputs.get("stdin", ""))

    def _program(self, **host: Any) -> dict[str, dict[str, Any]]:
        key = self.license_text, repr(sorted(host.items()))
        if key not in PROGRAMS:
            PROGRAMS[key] = commands(self.lab.plan, self.license_text, host)
        return PROGRAMS[key]


PROGRAMS: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}


def commands(plan: Plan, license_text: str, host: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the component's commands with other keys of `ufm.host`, in the order of their creation.

    `host` may contain `server_name`, a key of `ufm`, and `certify`: there is no `ufm.caFile`. UFM listens on another
    port than in the lab, which may run too.
    """
    assert plan.site.ufm.host
    keys = dict(host)
    ufm = {
        "server_name": keys.pop("server_name", None),
        "ca_file": None if keys.pop("certify", False) else Path("ca.pem"),
    }
    changed = {"host": plan.site.ufm.host.model_copy(update=keys), "port": PORT, **ufm}
    other = Plan(plan.site.model_copy(update={"ufm": plan.site.ufm.model_copy(update=changed)}))

    def program(operator: Operator) -> None:
        c.UfmHost("ufm", other, operator, ownership(other, operator), license_text, "password")

    recorder = record(other, program)
    steps = recorder.of("command:remote:Command").items()
    return {name: step.inputs for name, step in steps if not name.startswith("owner-")}


def snapshot(lab: Lab) -> dict[str, Any]:
    """Return everything on the host that a step could leave behind."""
    run(lab, "docker ps")  # makes the lab notice deleted files
    tree = lab.rack.ufm.root.tree
    files = {
        str(Path(folder, name).relative_to(tree))
        for folder, folders, names in os.walk(tree)
        for name in [*folders, *names]
    }
    state = asdict(lab.rack.ufm.state)
    empty = {key: value for key, value in state.items() if value not in ({}, [])}
    return {"files": files, **empty}


@pytest.fixture
def stack(lab: Lab, tmp_path: Path) -> Iterator[Stack]:
    @contextmanager
    def serving() -> Iterator[None]:
        tls.store(tmp_path, lab.ufm.pem)
        server = Listener(lab.address("ufm"), PORT, lambda _environment, _start: [], tls.server_context(tmp_path))
        yield
        server.stop()

    lab.ufm.serving = serving
    found = snapshot(lab)
    stack = Stack(lab)
    lab.ufm.calls.clear()
    yield stack
    stack.destroy()
    assert snapshot(lab) == found


def ship(lab: Lab) -> None:
    """Place the program on the host, as its first step does."""
    ok(lab, f"install -m 0755 /dev/stdin {ufm_host.PROGRAM}", shipping.shell_program("ufm"))


def set_state(lab: Lab, **values: Any) -> None:
    """Set fields of the host's state; None restores the factory's value."""
    ufm, factory = lab.rack.ufm, UfmState()
    with ufm.change():
        for key, value in values.items():
            setattr(ufm.state, key, getattr(factory, key) if value is None else value)


def running(lab: Lab) -> str:
    return ok(lab, "docker ps --format '{{.Names}} {{.Image}}'").strip()


@pytest.mark.parametrize("form", FORMS)
def test_ufm_is_installed_once_repaired_after_a_fault_and_upgraded_with_its_state(
    lab: Lab, stack: Stack, form: str
) -> None:
    """UFM is installed once, repaired after each fault, and upgraded with its state by another tag."""

    def up(image: str) -> str:
        return stack.ok(image=image, installer_image=FORMS[form])

    assert up(OLD).endswith("\n6.14.5-2\n"), "the release is what the component reports"
    assert running(lab) == f"ufm {OLD}"
    assert lab.ufm.calls == ["install 6.14.5-2"]
    assert "172.31.255.1/30" in ok(lab, "ip -br addr show ib0")
    assert "UP" in ok(lab, "ip -br link show ib0")
    assert ok(lab, "stat -c %a /home/ubuntu/UFM_lic/mlnx-ufm.lic") == "600\n"
    assert run(lab, "systemctl is-enabled -q ufm-enterprise").returncode == (0 if form == "current" else 1)

    up(OLD)
    assert stack.ran == [], "an unchanged configuration runs nothing"
    before, stack.applied = snapshot(lab), {}
    assert up(OLD) == "6.14.5-2\n"
    assert snapshot(lab) == before, "steps run again without the state change nothing"
    assert lab.ufm.calls == ["install 6.14.5-2"]

    ok(lab, "docker stop ufm")
    stack.forget("ufm-install")
    up(OLD)
    assert lab.ufm.calls[1:] == ["stop", "start"], "a stopped one is started"

    ok(lab, "docker rm -f ufm; rm -f /etc/systemd/system/ufm-enterprise.service; systemctl daemon-reload")
    stack.forget("ufm-install")
    up(OLD)
    assert lab.ufm.calls[3:] == ["stop", "start"], "a lost one comes back with its state"

    ok(lab, "echo mine > /var/ufm_files/conf/mine.cfg")
    assert up(NEW).endswith("\n6.19.3-1\n")
    assert running(lab) == f"ufm {NEW}"
    assert stack.ran == ["ufm-prerequisites", "ufm-install"], "no other step uses the image"
    assert lab.ufm.calls[5:] == ["stop", "upgrade 6.19.3-1", "start"], "its state stays"
    assert ok(lab, "cat /var/ufm_files/conf/mine.cfg") == "mine\n"
    assert ok(lab, "ls /var/lib/rack-ufm") == "address\nfolders\ninstall\n"
    images = ok(lab, "docker images --format '{{.Repository}}:{{.Tag}}'").split()
    assert OLD not in images
    assert ok(lab, "docker ps -aq").count("\n") == 1, "the old container was removed"


def test_an_interrupted_installation_is_completed(lab: Lab, stack: Stack) -> None:
    """The image was pulled and recorded before the interruption; the installer had not run."""
    stack.ok(image=OLD)
    stack.destroy()
    ok(lab, f"mkdir -m 0700 /var/lib/rack-ufm; docker pull {OLD}")
    ok(lab, f"printf 'files /var/ufm_files\\nimage {OLD}\\n' > /var/lib/rack-ufm/install")
    stack.ok(image=OLD)


def test_waiting_shows_progress(lab: Lab, stack: Stack) -> None:
    set_state(lab, slow_starts=3)
    out = stack.ok(image=OLD)
    set_state(lab, slow_starts=None)
    assert "waiting for UFM (0 s): ufmd: ufmd is stopped\n" in out


def test_the_error_has_the_end_of_the_log_if_ufm_does_not_start(lab: Lab, stack: Stack) -> None:
    set_state(lab, broken_releases=["6.14.5-2"])
    said = stack.refused(image=OLD)
    assert "migration of the database failed" in said
    reason = "UFM does not run after 0 s (U6): ufmd: ufmd is stopped. The end of its logs is above"
    assert said.splitlines()[-1] == f"UFM host: {reason}"
    assert "go back" not in said
    set_state(lab, broken_releases=None)
    ok(lab, "docker stop ufm")
    stack.ok(image=OLD)


def test_a_port_that_stays_initializing_is_reported(lab: Lab, stack: Stack) -> None:
    lab.fabric.state = "Initializing"
    said = stack.refused(image=OLD)
    done = {"ufm-program", "ufm-prerequisites", "ufm-folders", "ufm-fabric-address", "ufm-license"}
    assert stack.applied.keys() == done
    assert f"port 0x{GUID} is Initializing/LinkUp, not Active/LinkUp" in said
    lab.fabric.state = "Active"
    stack.ok(image=OLD)


def test_every_fault_is_reported_before_anything_is_changed(lab: Lab, stack: Stack) -> None:
    release = ok(lab, "cat /etc/os-release")
    ok(lab, "sed -i s/ubuntu/debian/ /etc/os-release; systemctl disable docker")
    ok(lab, f"ip address del {lab.address('ufm')}/24 dev eno1")
    lab.fabric.linked.discard("ufm")
    units = {**lab.rack.ufm.state.units}
    set_state(lab, ofed=False, offline=True, units={**units, "opensmd": Unit(active=True, enabled=True)})
    ship(lab)
    before = snapshot(lab)

    said = stack.refused(image=OLD, fabric_interface="ib7")
    for fault in (
        "install Ubuntu", "MLNX_OFED", "systemctl enable docker", f"port 0x{GUID} is Down/Polling, not Active/LinkUp",
        "there is no interface ib7", f"{lab.address('ufm')} is not on eno1", "systemctl disable --now opensmd",
        f"{OLD} can't be pulled: net/http", "faults found: 8; nothing was changed",
    ):  # fmt: skip
        assert fault in said, fault
    assert snapshot(lab) == before
    assert stack.applied.keys() == {"ufm-program"}
    assert said.endswith("nothing was changed\n"), "the reason is the end of pulumi-command's error"

    ok(lab, "cat > /etc/os-release", release)
    ok(lab, f"systemctl enable docker; ip address add {lab.address('ufm')}/24 dev eno1")
    lab.fabric.linked.add("ufm")
    set_state(lab, ofed=None, offline=None, units=units)


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ({"guid": "b8599f0300b000ff"}, f"has the GUID 0xb8599f0300b000ff of ufm.host.guid; ibstat shows 0x{GUID}"),
        ({"fabric_interface": "eno1"}, f"eno1 is not the interface of port 0x{GUID}"),
        ({"management_interface": "ib0"}, "is not on ib0"),
        ({"image": "mellanox/ufm-enterprise:nonsense"}, "no such manifest"),
        ({"image": "someone/ufm:1"}, "denied"),
        ({"image_archive": "/root/none.tar"}, "there is no file /root/none.tar of ufm.host.imageArchive on this host"),
    ],
)
def test_a_host_that_cannot_run_ufm_is_refused_with_the_reason(
    lab: Lab, stack: Stack, host: dict[str, Any], says: str
) -> None:
    said = stack.refused(**{"image": OLD, **host})
    assert says in said


def test_a_host_whose_docker_does_not_answer_is_refused(lab: Lab, stack: Stack) -> None:
    ok(lab, "systemctl stop docker")
    assert "Docker does not answer" in stack.refused(image=OLD)
    ok(lab, "systemctl start docker")


def archive(lab: Lab, *images: str) -> str:
    """A `docker save` on the host."""
    content = BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        manifest = json.dumps([{"RepoTags": list(images)}]).encode()
        member = tarfile.TarInfo("manifest.json")
        member.size = len(manifest)
        tar.addfile(member, BytesIO(manifest))
    (lab.rack.ufm.root.tree / "srv/ufm.tar").write_bytes(content.getvalue())
    return "/srv/ufm.tar"


@pytest.mark.parametrize("form", FORMS)
def test_ufm_is_installed_from_an_archive_without_internet(lab: Lab, stack: Stack, form: str) -> None:
    set_state(lab, offline=True)
    stack.ok(image=OLD, installer_image=FORMS[form], image_archive=archive(lab, OLD, INSTALLER))
    assert running(lab) == f"ufm {OLD}"
    stack.destroy()
    assert ok(lab, "docker images -q") == "", "the archive's other image is removed too"
    set_state(lab, offline=None)
    ok(lab, "rm /srv/ufm.tar")


def test_an_archive_of_another_release_is_refused(lab: Lab, stack: Stack) -> None:
    said = stack.refused(image=OLD, image_archive=archive(lab, NEW))
    assert f"/srv/ufm.tar holds no {OLD}: Loaded image: {NEW}" in said
    stack.ok(image=NEW, image_archive="/srv/ufm.tar")
    stack.destroy()
    ok(lab, "rm /srv/ufm.tar")


def test_an_image_pinned_by_its_digest_is_installed(lab: Lab, stack: Stack) -> None:
    pinned = f"mellanox/ufm-enterprise@sha256:{'0123456789abcdef' * 4}"
    assert stack.ok(image=pinned).endswith("\n6.19.3-1\n"), "whatever release it is"


def test_destroy_keeps_what_existed_before(lab: Lab, stack: Stack) -> None:
    ok(lab, f"docker pull {OLD}; ip address add 172.31.255.1/30 dev ib0; ip link set ib0 up")
    ok(lab, "mkdir -p /home/ubuntu/UFM_lic /var/ufm_files; touch /home/ubuntu/notes")
    before = snapshot(lab)
    stack.ok(image=OLD)
    stack.destroy()
    assert snapshot(lab) == before
    ok(lab, f"docker rmi {OLD}; ip address del 172.31.255.1/30 dev ib0; ip link set ib0 down")
    ok(lab, "rm -r /home/ubuntu /var/ufm_files")


def test_an_existing_ufm_is_adopted_and_kept_on_destroy(lab: Lab, stack: Stack) -> None:
    first = Stack(lab)
    first.ok(image=OLD)
    ok(lab, "rm /var/lib/rack-ufm/install")  # without this record the program did not install it
    stack.applied = {name: inputs for name, inputs in first.applied.items() if name != "ufm-install"}
    stack.ok(image=OLD)
    notes = ok(lab, "tar -C /var/lib -cz rack-ufm | base64")
    remove = stack.applied["ufm-folders"]["delete"]
    assert "stays" in run(lab, remove).stderr
    assert running(lab) == f"ufm {OLD}"
    ok(lab, "base64 -d | tar -C /var/lib -xz", notes)
    ok(lab, f"printf 'files /var/ufm_files\\nimage {OLD}\\n' > /var/lib/rack-ufm/install")


def test_another_dummy_address_replaces_the_first_one(lab: Lab, stack: Stack) -> None:
    stack.ok(image=OLD)
    stack.ok(image=OLD, fabric_address=IPv4Interface("172.31.254.1/30"))
    assert stack.ran == ["ufm-fabric-address"]
    shown = ok(lab, "ip -br addr show ib0")
    assert "172.31.254.1/30" in shown
    assert "172.31.255.1" not in shown


def test_the_files_folder_cannot_be_changed(lab: Lab, stack: Stack) -> None:
    stack.ok(image=OLD)
    said = stack.refused(image=OLD, files_dir="/opt/ufm/files")
    assert "UFM was installed with ufm.host.filesDir /var/ufm_files" in said
    assert run(lab, "ls /opt/ufm").returncode == 2, "nothing was changed"


@pytest.mark.parametrize("license_text", ["LICENCE", "RENEWED"])
def test_a_renewed_licence_reaches_ufm(lab: Lab, stack: Stack, license_text: str) -> None:
    stack.ok(image=OLD)
    stack.license_text = license_text
    stack.ok(image=OLD)
    assert stack.ran == (["ufm-license"] if license_text == "RENEWED" else [])
    assert ok(lab, "cat /var/ufm_files/licenses/mlnx-ufm.lic") == license_text
    assert (lab.ufm.calls[-1] == "restart") == (license_text == "RENEWED")


def test_destroy_removes_a_failed_installation(lab: Lab, stack: Stack) -> None:
    set_state(lab, broken_releases=["6.14.5-2"])
    stack.refused(image=OLD)
    set_state(lab, broken_releases=None)
    assert "ufm-install" not in stack.applied
    assert running(lab) == f"ufm {OLD}"


# -- certificate


def served(lab: Lab) -> str:
    return ssl.get_server_certificate((lab.address("ufm"), PORT))


def trusts(lab: Lab, certificate: str, name: str) -> bool:
    """Whether a client that trusts the certificate alone verifies UFM under the name."""
    context = ssl.create_default_context(cadata=certificate)
    with socket.create_connection((lab.address("ufm"), PORT), 10) as plain:
        try:
            context.wrap_socket(plain, server_hostname=name).close()
        except ssl.SSLCertVerificationError:
            return False
    return True


def test_ufm_gets_a_certificate_for_its_address_without_any_file_in_advance(lab: Lab, stack: Stack) -> None:
    printed = stack.ok(certify=True, image=OLD)
    assert printed == served(lab)
    assert trusts(lab, printed, lab.address("ufm"))
    assert not trusts(lab, printed, "127.0.0.1")
    assert lab.ufm.calls == ["install 6.14.5-2", "restart"]
    assert ok(lab, f"stat -c %a {CERTIFICATE.replace('.crt', '.key')} /var/lib/rack-ufm/server.key") == "600\n600\n"
    assert "CA:FALSE" in ok(lab, f"openssl x509 -in {CERTIFICATE} -noout -text")

    stack.forget("ufm-certificate")
    assert stack.ok(certify=True, image=OLD) == printed, "it is made once"
    assert lab.ufm.calls[2:] == []
    stack.ok(certify=True, image=NEW)
    assert stack.ran == ["ufm-prerequisites", "ufm-install"]
    assert served(lab) == printed, "it survives an upgrade"
    ok(lab, f"rm {CERTIFICATE}; systemctl restart ufm-enterprise")
    assert served(lab) != printed
    stack.forget("ufm-certificate")
    assert stack.ok(certify=True, image=NEW) == printed == served(lab)


def test_a_certificate_is_renewed_before_it_expires(lab: Lab, stack: Stack) -> None:
    first = stack.ok(certify=True, image=OLD)
    made = ("openssl req -x509 -newkey rsa:2048 -nodes -days 20 -subj /CN=x -keyout server.key -out server.crt"
            f" -addext subjectAltName=IP:{lab.address('ufm')}")  # fmt: skip
    ok(lab, f"cd /var/lib/rack-ufm; {made}")
    stack.forget("ufm-certificate")
    second = stack.ok(certify=True, image=OLD)
    assert second == served(lab) != first
    assert "x" not in ok(lab, f"openssl x509 -in {CERTIFICATE} -noout -subject").rpartition("=")[2]


def test_a_certificate_of_the_operator_is_not_overwritten(lab: Lab, stack: Stack) -> None:
    stack.ok(image=OLD)
    ok(lab, f"install -D /dev/stdin {CERTIFICATE}", "the operator's")
    said = stack.refused(certify=True, image=OLD)
    assert (
        f"{CERTIFICATE} was not written by this program, so it stays: write its authority's file as ufm.caFile" in said
    )
    assert ok(lab, f"cat {CERTIFICATE}") == "the operator's"


def test_a_ufm_that_keeps_its_own_certificate_is_pinned_under_the_name_in_it(lab: Lab, stack: Stack) -> None:
    """Whether UFM takes the certificate of its folder without client authentication is not documented."""
    set_state(lab, own_certificate=True)
    said = stack.refused(certify=True, image=OLD)
    assert said.splitlines()[-1].endswith("write the name (CN) of its certificate, above, as ufm.serverName")
    assert "CN = ufm" in said.replace("CN=ufm", "CN = ufm")
    assert "does not have the name other of ufm.serverName" in stack.refused(
        certify=True, image=OLD, server_name="other"
    )
    printed = stack.ok(certify=True, image=OLD, server_name="ufm")
    assert printed == served(lab)
    assert trusts(lab, printed, "ufm")
    set_state(lab, own_certificate=None)


# -- upgrades


@pytest.mark.parametrize(("before", "after"), [("guide", "current"), ("current", "guide")])
def test_an_upgrade_changes_the_form_of_the_installation_or_rolls_back(
    lab: Lab, stack: Stack, before: str, after: str
) -> None:
    stack.ok(image=OLD, installer_image=FORMS[before])
    set_state(lab, broken_releases=["6.19.3-1"])
    stack.refused(image=NEW, installer_image=FORMS[after])
    assert running(lab) == f"ufm {OLD}"
    set_state(lab, broken_releases=None)
    stack.ok(image=NEW, installer_image=FORMS[after])
    assert running(lab) == f"ufm {NEW}"
    assert run(lab, "systemctl is-active -q ufm-enterprise").returncode == (0 if after == "current" else 4)


@pytest.mark.parametrize("form", FORMS)
def test_a_failed_upgrade_is_rolled_back_and_reported(lab: Lab, stack: Stack, form: str) -> None:
    """Pulumi keeps the previous inputs of a failed update, so restoring them runs no further step."""
    stack.ok(image=OLD, installer_image=FORMS[form])
    ok(lab, "echo mine > /var/ufm_files/conf/mine.cfg")
    set_state(lab, broken_releases=["6.19.3-1"])
    said = stack.refused(image=NEW, installer_image=FORMS[form])
    assert "migration of the database failed" in said
    assert f"the upgrade to {NEW} failed; rolling back to {OLD} with its files" in said
    assert f"{OLD} runs again. To keep it, write it as ufm.host.image" in said
    assert running(lab) == f"ufm {OLD}"
    assert ok(lab, "cat /var/ufm_files/conf/mine.cfg") == "mine\n"
    assert lab.ufm.calls == ["install 6.14.5-2", "stop", "start"]
    stack.ok(image=OLD, installer_image=FORMS[form])
    assert stack.ran == ["ufm-prerequisites"]

    set_state(lab, broken_releases=None)
    stack.ok(image=NEW, installer_image=FORMS[form])
    assert running(lab) == f"ufm {NEW}"


@pytest.mark.parametrize("form", FORMS)
def test_an_upgrade_interrupted_by_a_power_failure_is_repeated(lab: Lab, stack: Stack, form: str) -> None:
    stack.ok(image=OLD, installer_image=FORMS[form])
    stack.up(image=NEW, installer_image=FORMS[form], cut="run_installer --upgrade")
    ok(lab, "rm -r /var/ufm_files/conf")
    assert running(lab) == ""
    stack.ok(image=NEW, installer_image=FORMS[form])
    assert running(lab) == f"ufm {NEW}"
    assert ok(lab, "ls /var/ufm_files/conf") == "gv.cfg\n"


def test_the_old_ufm_keeps_running_if_the_image_cannot_be_pulled(lab: Lab, stack: Stack) -> None:
    stack.ok(image=OLD)
    set_state(lab, offline=True)
    assert "can't be pulled" in stack.refused(image=NEW)
    set_state(lab, offline=None)
    assert running(lab) == f"ufm {OLD}"
    assert lab.ufm.calls == ["install 6.14.5-2"]
    stack.ok(image=OLD)


def test_a_downgrade_is_refused(lab: Lab, stack: Stack) -> None:
    stack.ok(image=NEW)
    said = stack.refused(image=OLD)
    assert "UFM 6.19.3-1 can't be downgraded to 6.14.5-2" in said
    assert running(lab) == f"ufm {NEW}"
    assert lab.ufm.calls == ["install 6.19.3-1"]
    stack.ok(image=NEW)


def test_a_release_that_differs_from_the_tag_is_refused(lab: Lab, stack: Stack) -> None:
    stack.ok(image=OLD)
    lab.ufm.installed = "6.15.0-1"
    stack.forget("ufm-install")
    assert f"UFM's REST API says that it is 6.15.0-1, not 6.14.5-2 of {OLD}" in stack.refused(image=OLD)
    lab.ufm.installed = "6.14.5-2"
    stack.ok(image=OLD)


def test_a_restart_waits_until_ufm_answers(lab: Lab, stack: Stack) -> None:
    """O6, with the wait of the installation."""
    stack.ok(image=OLD)
    set_state(lab, slow_starts=2)
    out = ok(lab, ufm_host.restart(lab.plan.site))
    set_state(lab, slow_starts=None)
    assert "waiting for UFM (0 s)" in out
    assert lab.ufm.calls[-1] == "restart"


def test_removal_succeeds_on_a_reinstalled_host(lab: Lab, stack: Stack) -> None:
    ship(lab)
    ok(lab, ufm_host.step(lab.plan.site, "remove"))
    ok(lab, f"rm {ufm_host.PROGRAM}")


@pytest.mark.parametrize("call", ["", "nonsense", "common", "remove nonsense"])
def test_a_wrong_call_changes_nothing(lab: Lab, stack: Stack, call: str) -> None:
    stack.ok(image=OLD)
    before = snapshot(lab)
    assert run(lab, f"{ufm_host.PROGRAM} {call}").returncode
    assert snapshot(lab) == before


def test_a_host_of_version_0_1_0_is_taken_over_without_a_change(lab: Lab, stack: Stack) -> None:
    """Its stacks hold a whole script per step. Every step runs again, and changes nothing but adds the boot unit."""
    state = json.loads((STATES / "0.1.0" / STATE_FILE).read_text())
    scripts = {r["urn"].rpartition("::")[2]: r.get("inputs", {}) for r in state["deployment"]["resources"]}
    for name in ("prerequisites", "folders", "fabric-address", "license", "install"):
        text = scripts[f"ufm-{name}"]["create"].replace("127.0.24.200", lab.address("ufm"))
        ok(lab, text, stack.license_text if name == "license" else "")
    before, calls = snapshot(lab), [*lab.ufm.calls]
    stack.ok(image=OLD)
    after = snapshot(lab)
    unit = "etc/systemd/system/rack-fabric-address.service"
    assert after.pop("files") - before.pop("files") == {ufm_host.PROGRAM[1:], unit}
    assert "rack-fabric-address" in after["units"]
    del after["units"]["rack-fabric-address"]
    assert after == before
    assert lab.ufm.calls == calls


TAGS = st.from_regex(r"\A[0-9]{1,2}(\.[0-9]{1,2}){1,2}(-[0-9]{1,2})?\Z")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(release=TAGS, tail=st.sampled_from(["", "-site", "@sha256:00", ".1"]), head=st.sampled_from(["", "v"]))
def test_the_release_is_read_from_an_image_s_tag(release: str, tail: str, head: str) -> None:
    """The shell runs the sed expression of install.sh."""
    text = (PROJECT / "onhost" / "ufm" / "install.sh").read_text()
    function = text[text.index("named() {") : text.index("no_downgrade() {")]
    image = f"registry:5000/ufm:{head}{release}{tail}"
    done = subprocess.run(
        ["sh", "-c", f"{function}named"], env={**os.environ, "IMAGE": image}, capture_output=True, text=True, check=True
    )
    whole = release + (tail if tail == ".1" and "-" not in release else "")
    assert done.stdout == f"{whole}\n"
