"""The steps that install Docker and MLNX_OFED on the lab's UFM node, where it has neither (U1)."""

import copy
import hashlib
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from components import ufm_host
from lab.hosts import ofed
from lab.hosts.commands.apt import PUBLIC_KEY
from lab.hosts.kinds.ufm import KERNEL
from lab.hosts.state import UfmState
from rack.site.ufm import DockerSpec, InstallSpec, MlnxOfedSpec
from tests.components.conftest import loops, no_callbacks  # noqa: F401 - fixtures of Pulumi's mocks
from tests.lab.hosts.conftest import MARKS, Lab
from tests.lab.hosts.mirror import mirror
from tests.lab.hosts.test_ufm_steps import OLD, Stack, ok, run, running, set_state, ship, snapshot, stack  # noqa: F401

pytestmark = MARKS

RELEASE = "5.8-4.1.5.0"
NAME, PACKAGE = ofed.package(RELEASE)
WHERE = f"/root/{NAME}"
SUM = hashlib.sha256(PACKAGE).hexdigest()
URL = "https://download.docker.com/linux/ubuntu"
OLDER = "docker-ce=5:20.10.24~3-0~ubuntu-bionic"


def of_ofed(package: str = WHERE, **keys: Any) -> MlnxOfedSpec:
    return MlnxOfedSpec(package=package, sha256=keys.pop("sha256", SUM), **keys)


@pytest.fixture
def bare(lab: Lab, stack: Stack) -> Iterator[Stack]:  # noqa: F811
    """A host as Ubuntu's installation leaves it, with the package of MLNX_OFED beside it. It is restored afterwards."""
    node = lab.rack.ufm
    found, tree = copy.deepcopy(node.state), node.root.tree
    before = {Path(folder, name) for folder, _, names in os.walk(tree) for name in names}
    with node.change():
        node.state.ofed, node.state.debs, node.state.units = False, {}, {}
    node.load_modules()
    (tree / "root" / NAME).write_bytes(PACKAGE)
    yield stack
    stack.destroy()
    with node.change():
        for field in fields(UfmState):
            setattr(node.state, field.name, getattr(found, field.name))
    node.load_modules()
    for folder, _, names in os.walk(tree):
        for name in names:
            if (file := Path(folder, name)) not in before:
                file.unlink()
    ok(lab, "rm -rf /etc/apt /var/lib/rack-ufm")


def test_a_fresh_host_gets_docker_and_ofed_before_ufm(lab: Lab, bare: Stack) -> None:
    host: dict[str, Any] = {"image": OLD, "install": InstallSpec(docker=DockerSpec(), mlnx_ofed=of_ofed())}
    assert bare.ok(**host).endswith("\n6.14.5-2\n")
    assert bare.ran[:4] == ["ufm-program", "ufm-docker", "ufm-ofed", "ufm-prerequisites"]
    assert ok(lab, "docker version -f '{{.Server.Version}}'") == "20.10.21\n"
    assert ok(lab, "ofed_info -s") == f"MLNX_OFED_LINUX-{RELEASE}:\n"
    assert ok(lab, "cat /sys/module/mlx5_core/version") == "5.8-4.1.5\n", "the kernel runs the installed modules"
    assert ok(lab, "modinfo -F version mlx5_core") == "5.8-4.1.5\n"
    assert ok(lab, "uname -r") == f"{KERNEL}\n"
    assert ok(lab, "dpkg-query -W -f '${db:Status-Status} ${Version}' docker.io").startswith("installed 20.10.21")
    assert "no packages found matching docker-ce" in run(lab, "dpkg-query -W docker-ce").stderr
    assert run(lab, "systemctl is-enabled -q opensmd").returncode == 1, "UFM allows no other subnet manager"
    assert run(lab, "ls -d /var/tmp/rack-ofed").returncode == 2
    assert f"linux-headers-{KERNEL}" in lab.rack.ufm.state.debs
    assert "Skipping FW update" in ok(lab, "cat /var/log/rack-ofed.log")

    bare.ok(**host)
    assert bare.ran == []
    before = snapshot(lab)
    bare.forget("ufm-docker")
    bare.forget("ufm-ofed")
    bare.ok(**host)
    assert bare.ran == ["ufm-docker", "ufm-ofed"], "they run although UFM runs, since they have nothing to do"
    assert snapshot(lab) == before
    bare.destroy()
    assert ok(lab, "ofed_info -s"), "destroy leaves the software of the host"


def test_docker_comes_from_a_repository_with_its_key(lab: Lab, bare: Stack, tmp_path: Path) -> None:
    set_state(lab, ofed=True)
    lab.rack.ufm.load_modules()
    key = tmp_path / "docker.asc"
    key.write_text("no key\n")
    spec = DockerSpec(repository=URL, key_file=key, packages=(OLDER, "docker-ce-cli", "containerd.io"))
    said = bare.refused(image=OLD, install=InstallSpec(docker=spec))
    assert f"E: The repository '{URL} bionic InRelease' is not signed." in said
    assert said.splitlines()[-1].startswith("UFM host: apt-get update failed")

    key.write_text(f"{PUBLIC_KEY}\n")
    spec = spec.model_copy(update={"key_file": key.rename(tmp_path / "key.asc")})
    bare.ok(image=OLD, install=InstallSpec(docker=spec))
    assert ok(lab, "docker version -f '{{.Server.Version}}'") == "20.10.24\n"
    assert ok(lab, "cat /etc/apt/sources.list.d/rack-docker.list").strip() == (
        f"deb [arch=amd64 signed-by=/etc/apt/keyrings/rack-docker.asc] {URL} bionic stable"
    )


def test_another_version_waits_until_ufm_is_stopped(lab: Lab, bare: Stack, tmp_path: Path) -> None:
    set_state(lab, ofed=True, debs=None, units=None)
    for unit in ("docker", "openibd"):
        lab.rack.ufm.set_unit(unit, active=True, enabled=True)
    lab.rack.ufm.load_modules()
    bare.ok(image=OLD)
    other = InstallSpec(docker=DockerSpec(packages=("docker.io=20.10.21-0ubuntu1~18.04.3",)), mlnx_ofed=of_ofed())
    said = bare.refused(image=OLD, install=other)
    assert "UFM runs, and the installation of Docker would interrupt it; stop it (systemctl stop ufm-enterprise" in said
    assert running(lab) == f"ufm {OLD}"
    ok(lab, "systemctl stop ufm-enterprise")
    bare.ok(image=OLD, install=other)
    ok(lab, "systemctl start ufm-enterprise")
    assert running(lab) == f"ufm {OLD}"
    assert "172.31.255.1/30" in ok(lab, "ip -br addr show ib0"), "the new modules took the address away"
    assert ok(lab, "ofed_info -s") == f"MLNX_OFED_LINUX-{RELEASE}:\n"


@pytest.mark.parametrize(
    ("package", "keys", "says"),
    [
        (WHERE.replace("18.04", "20.04"), {}, "is made for ubuntu20.04-x86_64, and this host is ubuntu18.04-x86_64"),
        (WHERE.replace("x86_64", "aarch64"), {}, "is made for ubuntu18.04-aarch64"),
        (f"/srv/{NAME}", {}, f"there is no file /srv/{NAME} of ufm.host.install.mlnxOfed on this host"),
        (WHERE, {"sha256": "0" * 64}, f"has the SHA-256 {SUM}, not {'0' * 64} of ufm.host.install.mlnxOfed"),
        (f"http://127.0.0.1:9/{NAME}", {}, "can't be downloaded"),
    ],
)
def test_a_wrong_package_changes_nothing(lab: Lab, bare: Stack, package: str, keys: dict[str, Any], says: str) -> None:
    said = bare.refused(image=OLD, install=InstallSpec(mlnx_ofed=of_ofed(package, **keys)))
    assert says in said.splitlines()[-1]
    assert run(lab, "ofed_info -s").returncode == 127
    assert lab.rack.ufm.state.debs == {}


def test_the_installers_own_refusal_is_shown(lab: Lab, bare: Stack) -> None:
    """The package's name can be wrong; the installer compares the file `distro` in it."""
    _, other = ofed.package(RELEASE, "ubuntu22.04")
    name = NAME.replace("18.04", "22.04")
    (lab.rack.ufm.root.tree / "root" / name).write_bytes(other)
    spec = of_ofed(f"/root/{name}", sha256=hashlib.sha256(other).hexdigest(), options=("--distro=ubuntu18.04",))
    said = bare.refused(image=OLD, install=InstallSpec(mlnx_ofed=spec))
    assert "Error: The current MLNX_OFED_LINUX is intended for ubuntu22.04" in said
    assert f"mlnxofedinstall of {name} failed with status 172" in said.splitlines()[-1]
    spec = spec.model_copy(update={"options": ("--skip-distro-check",)})
    bare.ok(image=OLD, install=InstallSpec(docker=DockerSpec(), mlnx_ofed=spec))


def test_a_package_is_downloaded_from_a_url(lab: Lab, bare: Stack, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(PACKAGE)
    with mirror(tmp_path) as url:
        spec = of_ofed(f"{url}/{NAME}")
        bare.ok(image=OLD, install=InstallSpec(docker=DockerSpec(), mlnx_ofed=spec))
    assert ok(lab, "ofed_info -s") == f"MLNX_OFED_LINUX-{RELEASE}:\n"


def test_kernel_headers_that_cannot_be_installed_are_named(lab: Lab, bare: Stack) -> None:
    set_state(lab, offline=True)
    said = bare.refused(image=OLD, install=InstallSpec(mlnx_ofed=of_ofed()))
    set_state(lab, offline=None)
    assert f"the headers of the running kernel {KERNEL} can't be installed" in said.splitlines()[-1]
    assert f"E: Unable to locate package linux-headers-{KERNEL}" in said


def test_kernel_headers_are_needed_by_the_installer(lab: Lab, bare: Stack) -> None:
    """Without them, DKMS builds no modules; the installer has removed the old release by then."""
    set_state(lab, ofed=True)
    done = run(lab, f"cd /srv; tar xzf {WHERE}; cd MLNX*; ./mlnxofedinstall --force --without-fw-update")
    assert done.returncode == 1
    assert "Error: mlnx-ofed-kernel-dkms installation failed!" in done.stdout
    assert run(lab, "ofed_info -s").returncode == 127
    assert run(lab, "cd /srv/MLNX*; ./mlnxofedinstall --without-fw-update").returncode == 1, "nobody answers"
    assert run(lab, "cd /srv/MLNX*; ./mlnxofedinstall --with-everything").returncode == 22
    ok(lab, "rm -r /srv/MLNX*")


def test_a_driver_in_use_needs_a_reboot(lab: Lab, bare: Stack) -> None:
    set_state(lab, ofed=True, modules_in_use=True)
    lab.rack.ufm.load_modules()
    host: dict[str, Any] = {"image": OLD, "install": InstallSpec(docker=DockerSpec(), mlnx_ofed=of_ofed())}
    said = bare.refused(**host)
    assert (
        f"MLNX_OFED_LINUX-{RELEASE} is installed, but the modules of the old one are in use: reboot this host" in said
    )
    assert ok(lab, "cat /sys/module/mlx5_core/version") == "5.6-2.0.9\n"
    lab.rack.ufm.reboot()
    bare.ok(**host)
    assert ok(lab, "cat /sys/module/mlx5_core/version") == "5.8-4.1.5\n"


def test_a_run_that_ended_before_the_modules_were_loaded_is_completed(lab: Lab, bare: Stack) -> None:
    """The release is installed, and the kernel still runs the old modules."""
    set_state(lab, ofed=True)
    lab.rack.ufm.load_modules()
    lab.rack.ufm.set_unit("openibd", active=True, enabled=True)
    set_state(lab, ofed_release=RELEASE)
    bare.ok(image=OLD, install=InstallSpec(docker=DockerSpec(), mlnx_ofed=of_ofed()))
    assert ok(lab, "cat /sys/module/mlx5_core/version") == "5.8-4.1.5\n"
    assert run(lab, "ls /var/log/rack-ofed.log").returncode == 2, "it was not installed again"


def test_another_package_manager_is_waited_for(lab: Lab, bare: Stack) -> None:
    """unattended-upgrades runs after a boot."""
    set_state(lab, ofed=True, apt_locks=2)
    lab.rack.ufm.load_modules()
    out = bare.ok(image=OLD, install=InstallSpec(docker=DockerSpec()))
    assert ok(lab, "docker version -f '{{.Server.Version}}'") == "20.10.21\n"
    assert lab.rack.ufm.state.apt_locks == 0
    assert out


def prerequisites(lab: Lab, later: str) -> list[str]:
    """Return the faults that the first check finds, when `later` steps have still to run."""
    ship(lab)
    command = ufm_host.step(lab.plan.site, "prerequisites")
    return run(lab, f"{command} {shlex.quote(f'LATER={later}')}").stderr.splitlines()


def test_what_will_be_installed_is_no_fault_before(lab: Lab, bare: Stack) -> None:
    """The doctor asks before the first `up`."""
    assert [re.split("[:;,]", line)[1].strip() for line in prerequisites(lab, "")] == [
        "MLNX_OFED (or DOCA-OFED) is missing",
        "Docker does not answer",
        "the docker service is not enabled",
        "mellanox/ufm-enterprise",
        "faults found",
    ]
    assert prerequisites(lab, "docker ofed") == []
    set_state(lab, ofed=True)
    assert prerequisites(lab, "docker ofed") == [], "the release that is there is looked at"
    lab.fabric.linked.discard("ufm")
    assert len(prerequisites(lab, "docker ofed")) == 2, "its port too"
    lab.fabric.linked.add("ufm")


def test_another_system_than_ubuntu_is_refused(lab: Lab, bare: Stack) -> None:
    release = ok(lab, "cat /etc/os-release")
    ok(lab, "sed -i 's/^ID=.*/ID=rocky/' /etc/os-release")
    said = bare.refused(image=OLD, install=InstallSpec(docker=DockerSpec(), mlnx_ofed=of_ofed()))
    ok(lab, "cat > /etc/os-release", release)
    assert "install Ubuntu, on which the guide's UFM runs (U1)" in said.splitlines()[-1]
    assert lab.rack.ufm.state.debs == {}
