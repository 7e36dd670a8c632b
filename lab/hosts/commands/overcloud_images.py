"""The overcloud's own images: `openstack overcloud image build` and `upload` (C5)."""

import hashlib
import shutil

from lab.hosts.call import Call
from lab.hosts.commands.openstack import Login, parser, subcommand
from lab.hosts.commands.qcow2 import qcow2, write_binary
from lab.hosts.kinds.undercloud import Undercloud
from lab.hosts.outcomes import Refusal
from lab.hosts.output import table

OVERCLOUD = ("overcloud-full.qcow2", "overcloud-full.vmlinuz", "overcloud-full.initrd")
AGENT = ("ironic-python-agent.kernel", "ironic-python-agent.initramfs")
STORE, BOOT = "/var/lib/ironic/images", "/var/lib/ironic/httpboot"


@subcommand("overcloud image build", Login.NONE)
def build(call: Call[Undercloud]) -> None:
    """Build the images into the current folder; the environment must name CentOS Stream 8 and Wallaby (C5)."""
    options = parser(call)
    options.add_argument("--config-file", action="append", dest="config_files")
    options.add_argument("--image-name", action="append", dest="image_names")
    options.add_argument("--no-skip", action="store_true")
    options.add_argument("--output-directory", default=".")
    given = options.parse()
    _check_environment(call)
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
            content = qcow2(f"{file} wallaby 8-stream") if file.endswith("qcow2") else file.encode()
            write_binary(call, f"{folder}/{file}", content)
    call.out("Successfully built all requested images")


def _check_environment(call: Call[Undercloud]) -> None:
    for key, value in (("DIB_RELEASE", "8-stream"), ("STABLE_RELEASE", "wallaby"), ("DIB_YUM_REPO_CONF", None)):
        if not call.env.get(key):
            raise Refusal(f"{key} must be set to build overcloud images; see diskimage-builder's log")
        if value and call.env[key] != value:
            raise Refusal(f"dib-run-parts: no base image of {key}={call.env[key]}: HTTP 404")


@subcommand("overcloud image upload")
def upload(call: Call[Undercloud]) -> None:
    """Copy the images to the folders from which ironic reads them by default in Wallaby (C5)."""
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
    with call.host.change():
        call.host.state.overcloud_image = hashlib.sha256(
            call.path(f"{given.local_path}/{OVERCLOUD[0]}").read_bytes()
        ).hexdigest()


def _upload(call: Call[Undercloud], source: str, target: str, update: bool) -> None:
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
