"""Images: the overcloud's own (C5) and the guests' by disk-image-create (G1, G2)."""

import hashlib
import json
import shutil
import struct

from lab.hosts.call import Call, Parser, Refusal, command, table
from lab.hosts.commands.openstack import parser, subcommand

OVERCLOUD = ("overcloud-full.qcow2", "overcloud-full.vmlinuz", "overcloud-full.initrd")
AGENT = ("ironic-python-agent.kernel", "ironic-python-agent.initramfs")
STORE, BOOT = "/var/lib/ironic/images", "/var/lib/ironic/httpboot"

STOCK = (
    "vm", "dhcp-all-interfaces", "cloud-init-datasources", "dracut-regenerate", "growroot", "epel", "centos", "centos7",
    "centos-minimal", "block-device-mbr", "block-device-gpt", "block-device-efi", "bootloader", "cloud-init", "devuser",
    "dynamic-login", "enable-serial-console", "grub2", "hwdiscovery", "iso", "mellanox",
    "package-installs", "pip-and-virtualenv",
    "redhat-common", "rpm-distro", "runtime-ssh-host-keys", "selinux-permissive", "simple-init", "source-repositories",
    "stable-interface-names", "sysprep", "yum", "yum-minimal", "base", "baremetal",
    "disable-selinux", "journal-to-console",
)  # fmt: skip
"""Of diskimage-builder 3.10.0."""


def qcow2(seed: str, gib: int = 10) -> bytes:
    """A valid, empty qcow2 image of version 2 whose bytes follow "
    "from `seed` alone: header, tables, one cluster of it."""
    cluster = 65536
    entries = gib * 2**30 // (cluster * cluster // 8)
    head = struct.pack(
        ">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, 16, gib * 2**30, 0, entries, 3 * cluster, cluster, 1, 0, 0
    )
    refcount_table = struct.pack(">Q", 2 * cluster)
    refcounts = struct.pack(">5H", 1, 1, 1, 1, 1)
    # The last cluster belongs to no table of the guest: it carries what the image was made of.
    note = hashlib.sha256(seed.encode()).hexdigest().encode() + b"\n" + seed.encode()
    return b"".join(part.ljust(cluster, b"\0") for part in (head, refcount_table, refcounts, b"", note))


# -- C5


@subcommand("overcloud image build", needs_stackrc=False)
def build(call: Call) -> None:
    """Into the current folder; what CentOS Stream 8 and Wallaby need stands in the environment (C5)."""
    options = parser(call)
    options.add_argument("--config-file", action="append", dest="config_files")
    options.add_argument("--image-name", action="append", dest="image_names")
    options.add_argument("--no-skip", action="store_true")
    options.add_argument("--output-directory", default=".")
    given = options.parse()
    for key, value in (("DIB_RELEASE", "8-stream"), ("STABLE_RELEASE", "wallaby"), ("DIB_YUM_REPO_CONF", None)):
        if not call.env.get(key):
            raise Refusal(f"{key} must be set to build overcloud images; see diskimage-builder's log")
        if value and call.env[key] != value:
            raise Refusal(f"dib-run-parts: no base image of {key}={call.env[key]}: HTTP 404")
    folder = given.output_directory
    if not call.path(folder).is_dir():
        raise Refusal(f"[Errno 2] No such file or directory: '{folder}'")
    for name, files in (("overcloud-full", OVERCLOUD), ("ironic-python-agent", AGENT)):
        if given.image_names and name not in given.image_names:
            continue
        if call.path(f"{folder}/{files[0]}").exists() and not given.no_skip:
            call.out(f"Skipping: {name} exists already")
            continue
        call.progress(f"Building image {name}", f"{name}: finalise.d", f"{name}: done")
        for file in files:
            _binary(
                call, f"{folder}/{file}", qcow2(f"{file} wallaby 8-stream") if file.endswith("qcow2") else file.encode()
            )
    call.out("Successfully built all requested images")


def _binary(call: Call, name: str, content: bytes) -> None:
    call.write(name, "")
    call.path(name).write_bytes(content)


@subcommand("overcloud image upload")
def upload(call: Call) -> None:
    """Copies the images to where ironic reads them; Wallaby's default (C5)."""
    options = parser(call)
    options.add_argument("--image-path", default="./")
    options.add_argument("--os-image-name", default="overcloud-full.qcow2")
    options.add_argument("--ironic-python-agent-name", default="ironic-python-agent", dest="ipa")
    options.add_argument("--http-boot", default=BOOT)
    options.add_argument("--update-existing", action="store_true")
    options.add_argument("--whole-disk", action="store_true")
    options.add_argument("--image-type", choices=["os", "ironic-python-agent"])
    options.add_argument("--progress", action="store_true")
    options.add_argument("--local", action="store_true")
    options.add_argument("--no-local", action="store_true")
    options.add_argument("--local-path", default=STORE)
    given = options.parse()
    copies = {**dict.fromkeys(OVERCLOUD, given.local_path), **dict.fromkeys(AGENT, given.http_boot)}
    for file in copies:
        if not call.path(f"{given.image_path}/{file}").is_file():
            raise Refusal(f'Required file "{given.image_path.rstrip("/")}/{file}" does not exist.')
    for file, folder in copies.items():
        target = (
            "agent" + file.removeprefix("ironic-python-agent").replace("initramfs", "ramdisk")
            if file in AGENT
            else file
        )
        _upload(call, f"{given.image_path}/{file}", f"{folder}/{target}", given.update_existing)
    with call.host.change() as state:
        state["images"] = hashlib.sha256(call.path(f"{given.local_path}/{OVERCLOUD[0]}").read_bytes()).hexdigest()


def _upload(call: Call, source: str, target: str, update: bool) -> None:
    here, there = call.path(source), call.path(target)
    if there.exists() and there.read_bytes() == here.read_bytes():
        call.out(f'Image file "{target}" is up-to-date, skipping.')
        return
    if there.exists() and not update:
        call.out(f'Image file "{target}" already exists and can be updated with --update-existing.')
        return
    there.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(here, there)
    call.out(f'Image "file://{target}" was copied.')
    call.out(table(["Path", "Name", "Size"], [[f"file://{target}", there.stem, there.stat().st_size]]))


# -- G1, G2


@command("disk-image-create", "undercloud")
def disk_image_create(call: Call) -> None:
    """Builds NAME.qcow2 of the elements; the vendor's need ELEMENTS_PATH, `cuda` a GPU on this host."""
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
    _binary(call, f"{output}.qcow2", qcow2(seed))
    with call.host.change() as state:
        state.setdefault("built", {})[output.rpartition("/")[2]] = given.elements
    call.out(f"Image file {output}.qcow2 created...\nBuild completed successfully")


def _check_elements(call: Call, elements: list[str]) -> None:
    paths = [p for p in call.env.get("ELEMENTS_PATH", "").split(":") if p]
    for path in paths:
        if not call.path(path).is_dir():
            raise Refusal(f"ERROR: ELEMENTS_PATH: {path} is no folder")
    for name in elements:
        if name not in STOCK and not any((call.path(path) / name).is_dir() for path in paths):
            raise Refusal(f"ERROR: diskimage_builder.element_dependencies: Element '{name}' not found in ELEMENTS_PATH")


@command("qemu-img", "undercloud")
def qemu_img(call: Call) -> None:
    """`info [--output json] FILE`: what the header says."""
    options = Parser(call, "qemu-img")
    options.add_argument("verb", choices=["info"])
    options.add_argument("--output", choices=["human", "json"], default="human")
    options.add_argument("file")
    given = options.parse()
    if not call.path(given.file).is_file():
        raise Refusal(
            f"qemu-img: Could not open '{given.file}': Could not open '{given.file}': No such file or directory"
        )
    content = call.path(given.file).read_bytes()
    qcow = content[:4] == b"QFI\xfb"
    size = struct.unpack(">Q", content[24:32])[0] if qcow else len(content)
    if given.output == "json":
        call.out(json.dumps({"filename": given.file, "format": "qcow2" if qcow else "raw", "virtual-size": size}))
        return
    call.out(
        f"image: {given.file}\nfile format: {'qcow2' if qcow else 'raw'}\n"
        f"virtual size: {size / 2**30:g} GiB ({size} bytes)"
    )
