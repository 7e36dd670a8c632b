"""UFM's installer, which runs in a container of its image (U5)."""

import argparse
import re

from lab.hosts.call import Call
from lab.hosts.commands.docker_containers import create
from lab.hosts.commands.docker_images import full_name, pulled, repository_tag
from lab.hosts.commands.ufm_daemon import INSIDE, UFM_UNIT, image_release
from lab.hosts.kinds.ufm import UfmHost
from lab.hosts.outcomes import Refusal
from lab.hosts.output import Parser

SOCKET = "/var/run/docker.sock"
FILES = "/installation/ufm_files"
LICENSES = "/installation/ufm_licenses"
UNITS = "/etc/systemd_files"
SHARED = "/opt/ufm/shared_config_files"
"""Where an upgrade of the current form finds UFM's files."""

UNIT = """\
[Unit]
Description=UFM Enterprise
Requires=docker.service
After=docker.service

[Service]
ExecStart=/usr/bin/docker run --rm --name=ufm --network=host --privileged -v {files}:/opt/ufm/files {image}
ExecStop=/usr/bin/docker stop ufm

[Install]
WantedBy=multi-user.target
"""
"""The unit of the current form. Inferred: the vendor does not publish its text, but its upgrade steps remove the image
right after `systemctl stop`, so the container is gone by then."""


def install(call: Call[UfmHost], image: str, mounts: dict[str, str], arguments: list[str]) -> None:
    """Run the installer: the guide's `ufm-enterprise-installer`, or `ufm-enterprise --install` of current releases.

    `mounts`: path in the container → path on the host.

    Raises:
        Refusal: a mount, a file, an interface or an answer is missing or wrong.
    """
    current = _is_current_form(image)
    parser = Parser(call, "ufm_installer")
    parser.add_argument("--install", action="store_true")
    parser.add_argument("--upgrade", action="store_true")
    parser.add_argument("-m", "--mode", choices=["SA", "HA"], default="SA" if current else None)
    parser.add_argument("-e", "--ufm-image", default=image if current else None)
    parser.add_argument("--fabric-interface")
    parser.add_argument("--mgmt-interface")
    parser.add_argument("--auto-start", choices=["yes", "no"], default="yes")
    options = parser.parse_words(arguments)
    for target in _needed(current, options.upgrade):
        if target not in mounts:
            raise Refusal(f"[ERROR] {target} is not mounted: run the installer with -v <host path>:{target}")
    answers = _answers(call, options, mounts)
    for label, value in answers.items():
        call.out(f"{label + ':':<37}{value}")
    files, mode = answers["UFM Files Path"].rstrip("/"), answers["Deployment Mode [install/upgrade]"]
    if mode == "upgrade":
        _check_upgrade(call, files, answers["UFM Enterprise Image"])
    else:
        _check_install(call, answers)
    _deploy(call, answers, files, mounts.get(UNITS))


def _is_current_form(image: str) -> bool:
    return repository_tag(image)[0].rpartition("/")[2] == UFM_UNIT


def _needed(current: bool, upgrade: bool) -> tuple[str, ...]:
    """Return the paths that the form's documentation mounts."""
    if not current:
        return SOCKET, FILES, LICENSES
    return (SOCKET, UNITS, SHARED) if upgrade else (SOCKET, UNITS, FILES, LICENSES)


def _answers(call: Call[UfmHost], options: argparse.Namespace, mounts: dict[str, str]) -> dict[str, str]:
    """Return the options' values; ask for those that are missing, as in the guide's transcript (U5)."""
    mode = "install" if options.install else "upgrade" if options.upgrade else None
    given = {
        "Deployment Mode [install/upgrade]": mode,
        "UFM Mode [SA/HA]": options.mode,
        "UFM Enterprise Image": options.ufm_image,
        "UFM Files Path": mounts.get(FILES) or mounts[SHARED],
        "UFM License Path": mounts.get(LICENSES, ""),
        "Fabric Interface": options.fabric_interface or ("ib0" if mode else None),
        "Management Interface": options.mgmt_interface or ("eth0" if mode else None),
    }
    asked = iter(call.read().splitlines()) if None in given.values() else iter(())
    defaults = {
        "UFM Enterprise Image": "mellanox/ufm-enterprise:latest",
        "Fabric Interface": "ib0",
        "Management Interface": "eth0",
    }
    answers = {}
    for label, value in given.items():
        answer = value if value is not None else next(asked, None)
        if answer is None:
            raise Refusal(f"{label}: \nEOFError: EOF when reading a line")
        answers[label] = answer or defaults.get(label, "")
    return answers


def _check_install(call: Call[UfmHost], answers: dict[str, str]) -> None:
    interfaces = call.host.state.interfaces
    fabric, management = answers["Fabric Interface"], answers["Management Interface"]
    for name in (fabric, management):
        if name not in interfaces:
            raise Refusal(f"[ERROR] Interface {name} does not exist on this host")
    if not interfaces[fabric].infiniband:
        raise Refusal(f"[ERROR] {fabric} is no InfiniBand interface")
    if not interfaces[fabric].up or not interfaces[fabric].addresses:
        raise Refusal(f"[ERROR] Fabric interface {fabric} must be up and have an IP address")
    licenses = call.path(answers["UFM License Path"])
    if not any(f.is_file() and f.suffix == ".lic" and f.read_text().strip() for f in licenses.iterdir()):
        raise Refusal(f"[ERROR] No license file was found in {answers['UFM License Path']}")
    if answers["UFM Mode [SA/HA]"] != "SA":
        raise Refusal("[ERROR] HA needs a second node and shared storage; this host is alone")
    if answers["Deployment Mode [install/upgrade]"] != "install":
        raise Refusal(f"[ERROR] Unknown deployment mode {answers['Deployment Mode [install/upgrade]']!r}")
    _check_no_container(call)


def _check_no_container(call: Call[UfmHost]) -> None:
    if "ufm" in call.host.state.containers:
        raise Refusal("[ERROR] A container named ufm exists already: stop and remove it first")


def _check_upgrade(call: Call[UfmHost], files: str, image: str) -> None:
    """Check that there are files, of a release that is not newer: UFM has no downgrade."""
    if not call.path(f"{files}/conf/gv.cfg").exists():
        raise Refusal(f"[ERROR] No UFM files were found in {files}: nothing to upgrade")
    _check_no_container(call)
    marker, release = call.path(f"{files}/ufm_version"), image_release(image)
    if release and marker.exists() and _number(marker.read_text()) > _number(release):
        raise Refusal(f"[ERROR] Upgrade from {marker.read_text().strip()} to {release} is not supported")


def _number(release: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", release)))


def _deploy(call: Call[UfmHost], answers: dict[str, str], files: str, units: str | None) -> None:
    image, fresh = full_name(answers["UFM Enterprise Image"]), answers["UFM License Path"]
    call.out("Loading UFM Enterprise Image...")
    if image not in call.host.state.images:
        call.progress(*pulled(call, image))
    if answers["Deployment Mode [install/upgrade]"] == "install":
        call.out("Copying UFM Configuration Files...")
        fabric, management = answers["Fabric Interface"], answers["Management Interface"]
        call.write(f"{files}/conf/gv.cfg", f"[Server]\nfabric_interface = {fabric}\nmgmt_interface = {management}\n")
        call.path(f"{files}/ufm_version").unlink(missing_ok=True)
        call.out("Copying License File...")
        for source in call.path(fresh).glob("*.lic"):
            call.write(f"{files}/licenses/{source.name}", source.read_text(), 0o600)
    if units:
        call.write(f"{units.rstrip('/')}/{UFM_UNIT}.service", UNIT.format(files=files, image=image))
    else:
        call.progress("Creating UFM Enterprise Container...", "UFM Container Created")
        call.out("[*] Starting UFM Container")
        create(call, "ufm", image, {files: INSIDE})
        call.out("UFM Container started. You can check UFM status by running:")
        call.out("docker exec -it ufm /etc/init.d/ufmd status")
    call.out("   UFM container installation finished successfully")
