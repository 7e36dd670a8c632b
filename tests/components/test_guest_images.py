"""Guest images (G1, G2): variables of disk-image-create, and what is checked before a build."""

import shlex
import subprocess

import pytest

from components.guest_images import checks
from rack.plan import Plan
from rack.site import Image
from rack.site.images import Builder
from tests.components.conftest import Recorder, deploy, record
from tests.components.test_rack import secret

GDR = "centos8-stream-gdr"
BUILD, FETCH, CHECK, VARIABLES = (f"images-{step}-{GDR}" for step in ("build", "fetch", "check", "variables"))


def made(plan: Plan, **change: object) -> Recorder:
    first, gdr = plan.site.images
    images = (first, gdr.model_copy(update=change))
    other = Plan(plan.site.model_copy(update={"images": images}))
    return record(other, lambda operator: deploy(other, operator) and None)


def script(rack: Recorder, name: str) -> str:
    return shlex.split(rack.resources[name].inputs["create"])[-1]


def test_the_defaults_are_those_of_the_how_to_and_stay_out_of_the_command(rack: Recorder) -> None:
    """The command is part of the job's key: with another one, existing stacks would build their images again."""
    assert "DIB_CLOUD_INIT" not in script(rack, BUILD)
    file = rack.resources[VARIABLES].inputs
    assert f"/etc/rack-job/{BUILD}" in file["create"]
    lines = secret(file["stdin"]) if isinstance(file["stdin"], dict) else file["stdin"]
    assert lines.splitlines() == [
        "export DIB_DHCP_TIMEOUT=30",
        "export DIB_CLOUD_INIT_DATASOURCES=OpenStack",
        "export DIB_MOFED_FILE=/opt/MLNX_OFED_LINUX-5.6-1.0.3.3-rhel8.5-x86_64.iso",
        "export DIB_YUM_REPO_CONF='/etc/yum.repos.d/Cent* /etc/yum.repos.d/cuda-rhel8.repo'",
        "export DIB_CUDA_URL="
        "https://developer.download.nvidia.com/compute/cuda/11.6.0/local_installers/cuda_11.6.0_510.39.01_linux.run",
        "export DIB_MODPROBE_BLACKLIST=nouveau",
        "export DIB_CUDA_PATH=/usr/local/cuda-11.6",
    ]
    assert {CHECK, VARIABLES} <= rack.needs[BUILD]


def test_variables_of_the_configuration_build_again_and_are_fetched_under_another_name(
    plan: Plan, rack: Recorder
) -> None:
    own = made(plan, environment={"DIB_DHCP_TIMEOUT": "300", "DIB_DEBUG_TRACE": "1"})
    assert "export DIB_DHCP_TIMEOUT=300\nexport DIB_DEBUG_TRACE=1\n" in script(own, BUILD)
    assert "DIB_DHCP_TIMEOUT" not in str(own.resources[VARIABLES].inputs["stdin"])
    assert own.resources[FETCH].inputs["create"] != rack.resources[FETCH].inputs["create"]


def test_an_image_that_an_earlier_version_built_is_not_checked(plan: Plan, rack: Recorder) -> None:
    skip = f"[ ! -e /home/stack/images/{GDR}.qcow2 ] || exit 0\n"
    assert skip in script(rack, CHECK)
    assert skip not in script(made(plan, environment={"DIB_DHCP_TIMEOUT": "60"}), CHECK)


@pytest.mark.parametrize("elements", [("vm", "centos"), ("vm", "mofed", "cuda", "centos")])
def test_the_checks_are_shell(elements: tuple[str, ...]) -> None:
    text = "\n".join(checks(Image(name="image", elements=elements), "/opt/dib-elements"))
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)
    assert ("curl" in text) == ("cuda" in elements)


def test_a_builder_builds_in_place_of_the_undercloud(plan: Plan) -> None:
    site = plan.site
    builder = Builder(address=site.ufm.address)  # a host of the operator's known_hosts file
    other = Plan(site.model_copy(update={"builder": builder}))
    rack = record(other, lambda operator: deploy(other, operator) and None)
    for step in (BUILD, CHECK, VARIABLES, "images-jobs"):
        assert secret(rack.resources[step].inputs["connection"])["host"] == str(builder.address)
    build = rack.resources[BUILD].inputs["create"]
    assert build.startswith(f"/opt/rack-job run {BUILD} sh -c ")
    assert f"-o /var/lib/rack-images/{GDR} " in build
    assert "sudo" not in build
    assert "images-jobs" in rack.needs[BUILD]
    fetch = rack.resources[FETCH].inputs["create"]
    assert f"root@{builder.address} cat /var/lib/rack-images/{GDR}.qcow2" in fetch


def test_the_build_host_has_a_gpu_and_the_kernel_of_the_image() -> None:
    image = Image(name="image", elements=("vm",), gpu_builder=True, kernel="4.18.0-365.el8.x86_64")
    lines = [line for line in checks(image, "/opt/dib-elements") if "uname" in line or "nvidia-smi" in line]
    text = "\n".join(['say() { echo "$1"; }', *lines])
    said = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False).stdout.splitlines()
    assert said[0] == "the build host has no CUDA GPU, which the element cuda needs (G2)"
    assert said[1].endswith("instead of the image's 4.18.0-365.el8.x86_64 (G2)")
