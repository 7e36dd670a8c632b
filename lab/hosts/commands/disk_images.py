"""Guest images: disk-image-create (G1, G2)."""

import json
import re

from lab.hosts import elements as dib
from lab.hosts.call import Call
from lab.hosts.commands.qcow2 import qcow2, write_binary
from lab.hosts.kinds.undercloud import Undercloud
from lab.hosts.outcomes import Become, Refusal
from lab.hosts.output import Parser
from lab.hosts.registry import command
from lab.process import LabError

CUDA_URL = re.compile(
    r"https://developer\.download\.nvidia\.com/compute/cuda/(1\d\.\d)\.\d/local_installers/cuda_[\d._]+_linux\.run"
)


@command("disk-image-create", Undercloud)
def disk_image_create(call: Call[Undercloud]) -> None:
    """Build NAME.qcow2 from the elements; missing variables, files and elements end the build."""
    options = Parser(call, "disk-image-create")
    options.add_argument("-o", dest="output", default="image")
    options.add_argument("-a", dest="arch", default="amd64")
    options.add_argument("-t", dest="types", default="qcow2")
    options.add_argument("-p", dest="packages", action="append", default=[])
    options.add_argument("--image-size")
    options.add_argument("-x", action="store_true")
    options.add_argument("-n", action="store_true")
    options.add_argument("elements", nargs="+")
    given = options.parse()
    _check_elements(call, given.elements)
    release = call.env.get("DIB_RELEASE")
    if release != "8-stream":
        raise Refusal(f"dib-run-parts: centos: DIB_RELEASE={release or ''} has no cloud image: curl: (22) HTTP 404")
    output = given.output.removesuffix(".qcow2")
    if not call.path(output).parent.is_dir():
        raise Refusal(f"mv: cannot move to '{output}.qcow2': No such file or directory")
    call.out(f"Building elements: base  {' '.join(given.elements)}")
    call.progress(*(f"dib-run-parts Running {step}" for step in ("root.d", "pre-install.d", "install.d", "finalise.d")))
    seed = json.dumps({"elements": given.elements, "release": release, "packages": given.packages})
    write_binary(call, f"{output}.qcow2", qcow2(seed))
    with call.host.change():
        call.host.state.built[output.rpartition("/")[2]] = given.elements
    call.out(f"Image file {output}.qcow2 created...\nBuild completed successfully")


def _check_elements(call: Call[Undercloud], elements: list[str]) -> None:
    """Let diskimage-builder expand the elements, run the checks of its own, and imitate those of the vendor's."""
    paths = [p for p in call.env.get("ELEMENTS_PATH", "").split(":") if p]
    try:
        folders = dib.expand(elements, [call.path(path) for path in paths])
    except LabError as error:
        raise Refusal(f"ERROR: element-info failed to expand elements.\n{error}") from None
    variables = {name: value for name, value in call.env.items() if name.startswith("DIB_")}
    failed = dib.check(folders, call.host.enter(["/bin/bash", "-s"]), variables)
    if failed:
        raise Refusal(failed)
    for check in (_check_mofed, _check_cuda, _check_benchmark):
        check(call, elements)


def _check_mofed(call: Call[Undercloud], elements: list[str]) -> None:
    file = call.env.get("DIB_MOFED_FILE", "")
    if "mofed" in elements and not (file and call.path(file).is_file()):
        raise Refusal(f"dib-run-parts 70-copy-ofed-file: cp: cannot stat '{file}': No such file or directory")


def _check_cuda(call: Call[Undercloud], elements: list[str]) -> None:
    if "cuda" not in elements:
        return
    if "mofed" not in elements:
        raise Refusal("dib-run-parts 05-cuda-install: nvidia-peermem needs MLNX_OFED: add the element mofed")
    url = call.env.get("DIB_CUDA_URL", "")
    if not CUDA_URL.fullmatch(url):
        raise Refusal(f"dib-run-parts 05-cuda-install: {url}: ERROR 404: Not Found.")
    if "nouveau" not in call.env.get("DIB_MODPROBE_BLACKLIST", "").split():
        raise Refusal("dib-run-parts 05-cuda-install: the Nouveau kernel driver is in use by the installer's system")


def _check_benchmark(call: Call[Undercloud], elements: list[str]) -> None:
    """Compare the CUDA release in DIB_CUDA_PATH with the one that the element cuda installs."""
    if "gpudirect-bench" not in elements:
        return
    path, installed = call.env.get("DIB_CUDA_PATH", ""), CUDA_URL.fullmatch(call.env.get("DIB_CUDA_URL", ""))
    if "cuda" not in elements or not installed or path != f"/usr/local/cuda-{installed[1]}":
        raise Refusal(f"dib-run-parts 06-gdr-bench-install: {path}/include/cuda.h: No such file or directory")


@command("curl", Undercloud)
def curl(call: Call[Undercloud]) -> None:
    """Answer a request for the head of a CUDA installer; run the real curl for other URLs."""
    url = call.argv[-1]
    if "developer.download.nvidia.com" not in url:
        raise Become(["/usr/bin/curl", *call.argv[1:]])
    if not CUDA_URL.fullmatch(url):
        raise Refusal("curl: (22) The requested URL returned error: 404", 22)
