"""The component's own commands on the lab's UFM node, run as Pulumi runs them: what is new or changed, in order; on
destroy backwards (U1 to U6, O6). Each test leaves the host as it found it."""

import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from io import BytesIO
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import components as c
from components import ufm_host
from rack.plan import Plan
from tests.components.conftest import loops, record  # noqa: F401 - the loops of Pulumi's mocks
from tests.lab.hosts.conftest import MARKS, Lab

pytestmark = MARKS

OLD, NEW = "mellanox/ufm-enterprise:6.14.5-2", "mellanox/ufm-enterprise:6.19.3-1"
INSTALLER = "mellanox/ufm-enterprise-installer:6.14.5-2"
FORMS = {"today": None, "guide": INSTALLER}
GUID = "b8599f0300b00001"

Done = subprocess.CompletedProcess[str]


def run(lab: Lab, command: str, stdin: str = "") -> Done:
    """As an SSH session on UFM's node, without the connection, which costs more than all the rest."""
    argv = lab.rack.ufm.enter(["/usr/local/libexec/session", command])
    environment = {"HOME": "/root"}
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=120, check=False, env=environment)


def ok(lab: Lab, command: str, stdin: str = "") -> str:
    """Its standard output; the command must succeed."""
    done = run(lab, command, stdin)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


class Stack:
    """What `pulumi up` and `destroy` do with the steps of UFM's host."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.applied: dict[str, dict[str, Any]] = {}
        self.license_text = "LICENCE"
        self.ran: list[str] = []
        """The steps of the last `up`."""

    def up(self, limit: int = 60, cut: str = "", **host: Any) -> Done:
        """Runs what is new or changed, to the first failure; the last step's end.

        Args:
            cut: where in the scripts the power goes.
        """
        self.ran = []
        done = Done([], 0, "", "")
        for name, inputs in self._program(**host).items():
            before = self.applied.get(name)
            if before == inputs:
                continue
            self.ran.append(name)
            text = inputs["update" if before else "create"]
            text = text.replace(f"LIMIT={ufm_host.START_SECONDS}", f"LIMIT={limit}")
            done = self._on_host(text.replace(f"  {cut}\n", "  kill -9 $$\n") if cut else text, inputs)
            if done.returncode:
                break
            self.applied[name] = inputs
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
        """As after a `pulumi up` that was killed before it wrote its state."""
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
    """The component's commands with other keys of `ufm.host`, in the order in which it makes them."""
    changed = plan.site.ufm.host.model_copy(update=host) if plan.site.ufm.host else None
    other = Plan(plan.site.model_copy(update={"ufm": plan.site.ufm.model_copy(update={"host": changed})}))
    recorder = record(other, lambda operator: c.UfmHost("ufm", other, operator, license_text) and None)
    return {name: r.inputs for name, r in recorder.of("command:remote:Command").items()}


def snapshot(lab: Lab) -> dict[str, Any]:
    """Everything of the host that a step could have left behind."""
    run(lab, "docker ps")  # Docker notices what has gone
    tree = lab.rack.ufm.root.tree
    files = {
        str(Path(folder, name).relative_to(tree))
        for folder, folders, names in os.walk(tree)
        for name in [*folders, *names]
    }
    state = json.loads(json.dumps(lab.rack.ufm.state))
    empty = {key: value for key, value in state.items() if value not in ({}, [])}
    return {"files": files, **empty}


@pytest.fixture
def stack(lab: Lab) -> Iterator[Stack]:
    found = snapshot(lab)
    stack = Stack(lab)
    lab.ufm.calls.clear()
    yield stack
    stack.destroy()
    assert snapshot(lab) == found


def knob(lab: Lab, **values: Any) -> None:
    """Sets the host's knobs; None takes one away."""
    with lab.rack.ufm.change() as state:
        for key, value in values.items():
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value


def running(lab: Lab) -> str:
    return ok(lab, "docker ps --format '{{.Names}} {{.Image}}'").strip()


@pytest.mark.parametrize("form", FORMS)
def test_a_life(lab: Lab, stack: Stack, form: str) -> None:
    """Installed once, whatever happens to it meanwhile; upgraded by another tag, with its state."""

    def up(image: str) -> str:
        return stack.ok(image=image, installer_image=FORMS[form])

    assert up(OLD).endswith("\n6.14.5-2\n"), "the release is what the component reports"
    assert running(lab) == f"ufm {OLD}" and lab.ufm.calls == ["install 6.14.5-2"]
    assert "172.31.255.1/30" in ok(lab, "ip -br addr show ib0") and "UP" in ok(lab, "ip -br link show ib0")
    assert ok(lab, "stat -c %a /home/ubuntu/UFM_lic/mlnx-ufm.lic") == "600\n"
    assert run(lab, "systemctl is-enabled -q ufm-enterprise").returncode == (0 if form == "today" else 1)

    up(OLD)
    assert stack.ran == [], "an unchanged configuration runs nothing"
    before, stack.applied = snapshot(lab), {}
    assert up(OLD) == "6.14.5-2\n"
    assert snapshot(lab) == before and lab.ufm.calls == ["install 6.14.5-2"], "a lost state changes nothing"

    ok(lab, "docker stop ufm")
    stack.forget("ufm-install")
    up(OLD)
    assert lab.ufm.calls[1:] == ["stop", "start"], "a stopped one is started"

    ok(lab, "docker rm -f ufm; rm -f /etc/systemd/system/ufm-enterprise.service; systemctl daemon-reload")
    stack.forget("ufm-install")
    up(OLD)
    assert lab.ufm.calls[3:] == ["stop", "start"], "a lost one comes back with its state"

    ok(lab, "echo mine > /var/ufm_files/conf/mine.cfg")
    assert up(NEW).endswith("\n6.19.3-1\n") and running(lab) == f"ufm {NEW}"
    assert stack.ran == ["ufm-prerequisites", "ufm-install"]
    assert lab.ufm.calls[5:] == ["stop", "upgrade 6.19.3-1", "start"], "its state stays"
    assert ok(lab, "cat /var/ufm_files/conf/mine.cfg") == "mine\n"
    assert ok(lab, "ls /var/lib/rack-ufm") == "address\nfolders\ninstall\n"
    images = ok(lab, "docker images --format '{{.Repository}}:{{.Tag}}'").split()
    assert OLD not in images and ok(lab, "docker ps -aq").count("\n") == 1, "the old one is gone"


def test_a_run_that_was_cut_off_is_finished(lab: Lab, stack: Stack) -> None:
    """The image is here, noted, and nothing else: the installer had not been reached."""
    stack.ok(image=OLD)
    stack.destroy()
    ok(lab, f"mkdir -m 0700 /var/lib/rack-ufm; docker pull {OLD}")
    ok(lab, f"printf 'files /var/ufm_files\\nimage {OLD}\\n' > /var/lib/rack-ufm/install")
    stack.ok(image=OLD)


def test_waiting_shows_progress(lab: Lab, stack: Stack) -> None:
    knob(lab, slow_starts=3)
    out = stack.ok(image=OLD)
    knob(lab, slow_starts=None)
    assert "waiting for UFM (0 s): ufmd: ufmd is stopped\n" in out


def test_the_log_s_end_explains_a_ufm_that_does_not_start(lab: Lab, stack: Stack) -> None:
    knob(lab, broken_releases=["6.14.5-2"])
    said = stack.refused(image=OLD)
    assert "UFM does not run after 0 s (U6): ufmd: ufmd is stopped. The end of its logs:" in said
    assert "migration of the database failed" in said and "go back" not in said
    knob(lab, broken_releases=None)
    ok(lab, "docker stop ufm")
    stack.ok(image=OLD)


def test_a_port_that_no_sm_makes_active_is_told(lab: Lab, stack: Stack) -> None:
    lab.fabric.state = "Initializing"
    said = stack.refused(image=OLD)
    assert stack.applied.keys() == {"ufm-prerequisites", "ufm-folders", "ufm-fabric-address", "ufm-license"}
    assert f"port 0x{GUID} is Initializing/LinkUp, not Active/LinkUp" in said
    lab.fabric.state = "Active"
    stack.ok(image=OLD)


def test_every_fault_is_told_before_anything_is_changed(lab: Lab, stack: Stack) -> None:
    release = ok(lab, "cat /etc/os-release")
    ok(lab, "sed -i s/ubuntu/debian/ /etc/os-release; systemctl disable docker")
    ok(lab, f"ip address del {lab.address('ufm')}/24 dev eno1")
    lab.fabric.linked.discard("ufm")
    units = {**lab.rack.ufm.state["units"]}
    knob(lab, ofed=False, offline=True, units={**units, "opensmd": {"active": True, "enabled": True}})
    before = snapshot(lab)

    said = stack.refused(image=OLD, fabric_interface="ib7")
    for fault in (
        "install Ubuntu", "MLNX_OFED", "systemctl enable docker", f"port 0x{GUID} is Down/Polling, not Active/LinkUp",
        "there is no interface ib7", f"{lab.address('ufm')} is not on eno1", "systemctl disable --now opensmd",
        f"{OLD} can't be pulled: net/http", "faults found: 8; nothing was changed",
    ):  # fmt: skip
        assert fault in said, fault
    assert snapshot(lab) == before and stack.applied == {}

    ok(lab, "cat > /etc/os-release", release)
    ok(lab, f"systemctl enable docker; ip address add {lab.address('ufm')}/24 dev eno1")
    lab.fabric.linked.add("ufm")
    knob(lab, ofed=None, offline=None, units=units)


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
def test_one_fault(lab: Lab, stack: Stack, host: dict[str, Any], says: str) -> None:
    said = stack.refused(**{"image": OLD, **host})
    assert says in said


def test_docker_that_does_not_answer(lab: Lab, stack: Stack) -> None:
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
def test_without_internet(lab: Lab, stack: Stack, form: str) -> None:
    knob(lab, offline=True)
    stack.ok(image=OLD, installer_image=FORMS[form], image_archive=archive(lab, OLD, INSTALLER))
    assert running(lab) == f"ufm {OLD}"
    stack.destroy()
    assert ok(lab, "docker images -q") == "", "the archive's other image goes too"
    knob(lab, offline=None)
    ok(lab, "rm /srv/ufm.tar")


def test_an_archive_of_another_release(lab: Lab, stack: Stack) -> None:
    said = stack.refused(image=OLD, image_archive=archive(lab, NEW))
    assert f"/srv/ufm.tar holds no {OLD}: Loaded image: {NEW}" in said
    stack.ok(image=NEW, image_archive="/srv/ufm.tar")
    stack.destroy()
    ok(lab, "rm /srv/ufm.tar")


def test_a_pinned_digest(lab: Lab, stack: Stack) -> None:
    pinned = f"mellanox/ufm-enterprise@sha256:{'0123456789abcdef' * 4}"
    assert stack.ok(image=pinned).endswith("\n6.19.3-1\n"), "whatever release it is"


def test_what_was_there_before_stays(lab: Lab, stack: Stack) -> None:
    ok(lab, f"docker pull {OLD}; ip address add 172.31.255.1/30 dev ib0; ip link set ib0 up")
    ok(lab, "mkdir -p /home/ubuntu/UFM_lic /var/ufm_files; touch /home/ubuntu/notes")
    before = snapshot(lab)
    stack.ok(image=OLD)
    stack.destroy()
    assert snapshot(lab) == before
    ok(lab, f"docker rmi {OLD}; ip address del 172.31.255.1/30 dev ib0; ip link set ib0 down")
    ok(lab, "rm -r /home/ubuntu /var/ufm_files")


def test_a_ufm_that_was_there_before_is_adopted_and_stays(lab: Lab, stack: Stack) -> None:
    first = Stack(lab)
    first.ok(image=OLD)
    ok(lab, "rm /var/lib/rack-ufm/install")  # so nobody knows that it was the program
    stack.applied = {name: inputs for name, inputs in first.applied.items() if name != "ufm-install"}
    stack.ok(image=OLD)
    notes = ok(lab, "tar -C /var/lib -cz rack-ufm | base64")
    remove = stack.applied["ufm-folders"]["delete"]
    assert "stays" in run(lab, remove).stderr and running(lab) == f"ufm {OLD}"
    ok(lab, "base64 -d | tar -C /var/lib -xz", notes)
    ok(lab, f"printf 'files /var/ufm_files\\nimage {OLD}\\n' > /var/lib/rack-ufm/install")


def test_another_dummy_address_takes_the_first_one_s_place(lab: Lab, stack: Stack) -> None:
    stack.ok(image=OLD)
    stack.ok(image=OLD, fabric_address=IPv4Interface("172.31.254.1/30"))
    assert stack.ran == ["ufm-fabric-address"]
    shown = ok(lab, "ip -br addr show ib0")
    assert "172.31.254.1/30" in shown and "172.31.255.1" not in shown


def test_the_files_folder_does_not_move(lab: Lab, stack: Stack) -> None:
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


def test_what_a_failed_installation_left_goes_with_the_rest(lab: Lab, stack: Stack) -> None:
    knob(lab, broken_releases=["6.14.5-2"])
    stack.refused(image=OLD)
    knob(lab, broken_releases=None)
    assert "ufm-install" not in stack.applied and running(lab) == f"ufm {OLD}"


# -- upgrades


@pytest.mark.parametrize(("before", "after"), [("guide", "today"), ("today", "guide")])
def test_upgrade_to_the_other_form(lab: Lab, stack: Stack, before: str, after: str) -> None:
    stack.ok(image=OLD, installer_image=FORMS[before])
    knob(lab, broken_releases=["6.19.3-1"])
    stack.refused(image=NEW, installer_image=FORMS[after])
    assert running(lab) == f"ufm {OLD}"
    knob(lab, broken_releases=None)
    stack.ok(image=NEW, installer_image=FORMS[after])
    assert running(lab) == f"ufm {NEW}"
    assert run(lab, "systemctl is-active -q ufm-enterprise").returncode == (0 if after == "today" else 4)


@pytest.mark.parametrize("form", FORMS)
def test_a_failed_upgrade_goes_back_and_says_so(lab: Lab, stack: Stack, form: str) -> None:
    """Pulumi keeps the former inputs of a failed update, so to write them again runs nothing more."""
    stack.ok(image=OLD, installer_image=FORMS[form])
    ok(lab, "echo mine > /var/ufm_files/conf/mine.cfg")
    knob(lab, broken_releases=["6.19.3-1"])
    said = stack.refused(image=NEW, installer_image=FORMS[form])
    assert "migration of the database failed" in said
    assert f"the upgrade to {NEW} failed; going back to {OLD} with its files" in said
    assert f"{OLD} runs again. Write it as ufm.host.image to stay with it" in said
    assert running(lab) == f"ufm {OLD}" and ok(lab, "cat /var/ufm_files/conf/mine.cfg") == "mine\n"
    assert lab.ufm.calls == ["install 6.14.5-2", "stop", "start"]
    stack.ok(image=OLD, installer_image=FORMS[form])
    assert stack.ran == ["ufm-prerequisites"]

    knob(lab, broken_releases=None)
    stack.ok(image=NEW, installer_image=FORMS[form])
    assert running(lab) == f"ufm {NEW}"


@pytest.mark.parametrize("form", FORMS)
def test_an_upgrade_that_a_power_cut_ended_is_made_again(lab: Lab, stack: Stack, form: str) -> None:
    stack.ok(image=OLD, installer_image=FORMS[form])
    stack.up(image=NEW, installer_image=FORMS[form], cut="run_installer --upgrade")
    ok(lab, "rm -r /var/ufm_files/conf")
    assert running(lab) == ""
    stack.ok(image=NEW, installer_image=FORMS[form])
    assert running(lab) == f"ufm {NEW}" and ok(lab, "ls /var/ufm_files/conf") == "gv.cfg\n"


def test_an_image_that_can_t_be_fetched_leaves_the_old_one_running(lab: Lab, stack: Stack) -> None:
    stack.ok(image=OLD)
    knob(lab, offline=True)
    assert "can't be pulled" in stack.refused(image=NEW)
    knob(lab, offline=None)
    assert running(lab) == f"ufm {OLD}" and lab.ufm.calls == ["install 6.14.5-2"]
    stack.ok(image=OLD)


def test_no_way_back_from_a_complete_upgrade(lab: Lab, stack: Stack) -> None:
    stack.ok(image=NEW)
    said = stack.refused(image=OLD)
    assert "UFM 6.19.3-1 can't be turned back into 6.14.5-2" in said
    assert running(lab) == f"ufm {NEW}" and lab.ufm.calls == ["install 6.19.3-1"]
    stack.ok(image=NEW)


def test_a_release_that_is_not_the_tag_s_is_refused(lab: Lab, stack: Stack) -> None:
    stack.ok(image=OLD)
    lab.ufm.installed = "6.15.0-1"
    stack.forget("ufm-install")
    assert f"UFM's REST API says that it is 6.15.0-1, not 6.14.5-2 of {OLD}" in stack.refused(image=OLD)
    lab.ufm.installed = "6.14.5-2"
    stack.ok(image=OLD)


def test_restart(lab: Lab, stack: Stack) -> None:
    """O6, with the same wait."""
    stack.ok(image=OLD)
    knob(lab, slow_starts=2)
    out = ok(lab, ufm_host.restart(lab.plan.site))
    knob(lab, slow_starts=None)
    assert "waiting for UFM (0 s)" in out and lab.ufm.calls[-1] == "restart"


def test_removal_finds_nothing_on_a_reinstalled_host(lab: Lab, stack: Stack) -> None:
    ok(lab, ufm_host.step(lab.plan.site, "address-common", "remove"))


TAGS = st.from_regex(r"\A[0-9]{1,2}(\.[0-9]{1,2}){1,2}(-[0-9]{1,2})?\Z")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(release=TAGS, tail=st.sampled_from(["", "-site", "@sha256:00", ".1"]), head=st.sampled_from(["", "v"]))
def test_the_release_that_a_tag_names(release: str, tail: str, head: str) -> None:
    """Run by the shell itself: the sed expression of install.sh."""
    text = Path(ufm_host.__file__).with_name("ufm").joinpath("install.sh").read_text()
    function = text[text.index("named() {") : text.index("no_downgrade() {")]
    image = f"registry:5000/ufm:{head}{release}{tail}"
    done = subprocess.run(
        ["sh", "-c", f"{function}named"], env={**os.environ, "IMAGE": image}, capture_output=True, text=True, check=True
    )
    whole = release + (tail if tail == ".1" and "-" not in release else "")
    assert done.stdout == f"{whole}\n"
