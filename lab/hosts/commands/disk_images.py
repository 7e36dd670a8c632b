"""Guest images: disk-image-create (G1, G2)."""

import json

from lab.hosts.call import Call
from lab.hosts.commands.qcow2 import qcow2, write_binary
from lab.hosts.kinds.undercloud import Undercloud
from lab.hosts.outcomes import Refusal
from lab.hosts.output import Parser
from lab.hosts.registry import command

STOCK = (
    "vm", "dhcp-all-interfaces", "cloud-init-datasources", "dracut-regenerate", "growroot", "epel", "centos", "centos7",
    "centos-minimal", "block-device-mbr", "block-device-gpt", "block-device-efi", "bootloader", "cloud-init", "devuser",
    "dynamic-login", "enable-serial-console", "grub2", "hwdiscovery", "iso", "mellanox",
    "package-installs", "pip-and-virtualenv",
    "redhat-common", "rpm-distro", "runtime-ssh-host-keys", "selinux-permissive", "simple-init", "source-repositories",
    "stable-interface-names", "sysprep", "yum", "yum-minimal", "base", "baremetal",
    "disable-selinux", "journal-to-console",
)  # fmt: skip
"""Elements of diskimage-builder 3.10.0."""


@command("disk-image-create", Undercloud)
def disk_image_create(call: Call[Undercloud]) -> None:
    """Build NAME.qcow2 from the elements; the vendor's elements need ELEMENTS_PATH."""
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
    if "cuda" in given.elements and "mofed" not in given.elements:
        raise Refusal("dib-run-parts: cuda: nvidia-peermem needs MLNX_OFED: add the element mofed")
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
    paths = [p for p in call.env.get("ELEMENTS_PATH", "").split(":") if p]
    for path in paths:
        if not call.path(path).is_dir():
            raise Refusal(f"ERROR: ELEMENTS_PATH: {path} is no folder")
    for name in elements:
        if name not in STOCK and not any((call.path(path) / name).is_dir() for path in paths):
            raise Refusal(f"ERROR: diskimage_builder.element_dependencies: Element '{name}' not found in ELEMENTS_PATH")
