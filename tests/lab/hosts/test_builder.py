"""A build host of its own for guest images (`builder`): the steps over SSH, from the check to the copy (G2).

The lab's undercloud is the build host here: it is entered as a builder is, as root, and has what a build needs.
"""

import hashlib
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from doctor import builder as doctor
from doctor.case import Case
from doctor.finding import Finding
from lab.hosts import elements, templates
from rack.plan import Plan
from rack.site.images import Builder
from tests.components.conftest import deploy, loops, no_callbacks, record  # noqa: F401 - fixtures of Pulumi's mocks
from tests.lab.hosts.conftest import MARKS, Lab

pytestmark = MARKS

GDR = "centos8-stream-gdr"
STEPS = ("images-jobs", *(f"images-{step}-{GDR}" for step in ("check", "variables", "build")))
FETCH = f"images-fetch-{GDR}"
SECRET = "4dabf18193072939515e22adb298388d"
"""Pulumi's mark of a wrapped secret."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    templates.fetch(print)
    elements.fetch(print)
    lab = Lab(tmp_path_factory.mktemp("lab"))
    lab.ok("undercloud", "touch /etc/yum.repos.d/delorean.repo; dnf install -y diskimage-builder")
    yield lab
    lab.stop()


def program(lab: Lab, **change: Any) -> dict[str, dict[str, Any]]:
    """Return the inputs of the component's commands, by name; `change` of the image."""
    site = lab.plan.site
    first, gdr = site.images
    ssh = site.ssh.model_copy(update={"private_key_file": lab.key, "known_hosts_file": lab.known_hosts})
    update = {
        "builder": Builder(address=site.undercloud.address),
        "images": (first, gdr.model_copy(update=change)),
        "ssh": ssh,
    }
    plan = Plan(site.model_copy(update=update), ufm_ca="authority")

    def made(operator: Any) -> None:
        deploy(plan, replace(operator, ssh=ssh))

    return {name: resource.inputs for name, resource in record(plan, made).resources.items()}


def text(value: Any) -> str:
    return str(value["value"] if isinstance(value, dict) and SECRET in value else value)


def step(lab: Lab, inputs: dict[str, Any], verb: str = "create") -> subprocess.CompletedProcess[str]:
    """Run a step over SSH, as pulumi-command does."""
    return lab.run("undercloud", text(inputs[verb]), text(inputs.get("stdin") or ""))


def build(lab: Lab, steps: dict[str, dict[str, Any]]) -> str:
    """Run all steps; return what the build prints."""
    for name in STEPS:
        done = step(lab, steps[name])
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
    return done.stdout


def test_an_image_is_built_by_root_and_copied_to_this_machine(lab: Lab, tmp_path: Path) -> None:
    steps = program(lab)
    checksum = build(lab, steps).strip()
    assert lab.ok("undercloud", f"stat -c %U /var/lib/rack-images/{GDR}.qcow2") == "root\n"
    fetch = subprocess.run(
        ["sh", "-c", text(steps[FETCH]["create"])], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert fetch.returncode == 0, fetch.stderr
    image = tmp_path / fetch.stdout
    assert hashlib.sha256(image.read_bytes()).hexdigest() == checksum
    assert image.read_bytes().startswith(b"QFI\xfb"), "a qcow2"

    assert build(lab, steps).strip() == checksum, "a complete job is not repeated"
    assert lab.ok("undercloud", "/opt/rack-job status").count("run 1,") == 1

    for name in reversed(STEPS):
        done = step(lab, steps[name], "delete") if "delete" in steps[name] else None
        assert done is None or done.returncode == 0, f"{name}: {done.stderr}"
    assert lab.run("undercloud", f"ls /var/lib/rack-images/{GDR}.qcow2 /opt/rack-job").returncode == 2


def test_the_doctor_looks_at_the_builder(lab: Lab) -> None:
    """Before the first `up`, which would find the same."""
    site, ssh = lab.plan.site, {"private_key_file": lab.key, "known_hosts_file": lab.known_hosts}
    update = {"builder": Builder(address=site.undercloud.address), "ssh": site.ssh.model_copy(update=ssh)}

    def found(**change: Any) -> list[Finding]:
        images = {"images": (site.images[1].model_copy(update=change),)}
        return list(doctor.check(Case(Plan(site.model_copy(update={**update, **images})), frozenset())))

    assert [str(f.status) for f in found()] == ["ok", "ok"]
    bad = found(kernel="4.18.0-365.el8.x86_64", elements=(*site.images[1].elements, "none"))
    assert [f.found.partition(": ")[2].split()[0] for f in bad if f.status == "error"] == ["neither", "the"]
    assert all(f.fix and f.step == "G2" for f in bad if f.status == "error")


def test_a_builder_with_another_kernel_is_refused_before_the_build(lab: Lab) -> None:
    steps = program(lab, kernel="4.18.0-365.el8.x86_64")
    done = step(lab, steps[f"images-check-{GDR}"])
    assert done.returncode == 1
    assert "instead of the image's 4.18.0-365.el8.x86_64 (G2)" in done.stderr
    assert lab.run("undercloud", f"ls /var/lib/rack-images/{GDR}.qcow2").returncode == 2


def test_a_missing_element_is_named(lab: Lab) -> None:
    lab.ok("undercloud", "mv /opt/dib-elements/mofed /opt/mofed")
    done = step(lab, program(lab)[f"images-check-{GDR}"])
    lab.ok("undercloud", "mv /opt/mofed /opt/dib-elements/mofed")
    assert done.returncode == 1
    assert "neither diskimage-builder nor /opt/dib-elements contains the element mofed" in done.stderr
