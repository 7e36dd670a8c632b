"""UFM's node: UFM's installer in both its forms and the UFM container (U5, U6, O6), for `lab.hosts.commands.docker`.

UFM's data lie in the files' folder, as on a rack: a container may go and another come (an upgrade), and the UFM of the
lab keeps its state. With the folder it forgets it.

Knobs in the host's state, for tests: "broken_releases" (their ufmd does not start), "slow_starts" (how often ufmd's
status is asked before it runs).
"""

import argparse
import json
import re
import secrets
from typing import Any

from lab.hosts.call import Become, Call, Parser, Refusal, command
from lab.hosts.commands import docker
from lab.hosts.commands.common import SWITCHES, set_unit, units
from lab.hosts.commands.docker import SOCKET, Container, Program, full_name, repository_tag
from lab.process import LabError

ENTERPRISE = "ufm-enterprise"
FILES = "/installation/ufm_files"
LICENSES = "/installation/ufm_licenses"
UNITS = "/etc/systemd_files"
SHARED = "/opt/ufm/shared_config_files"
"""Where an upgrade of today's form finds UFM's files."""

INSIDE = "/opt/ufm/files"
"""Where the UFM container has them."""
RELEASE = re.compile(r"\d+\.\d+\.\d+-\d+")
VERSION_URL = "http://127.0.0.1:8000/app/ufm_version"
"""UFM's REST API behind its web server, on its own host."""


# -- the installer


def _installer(call: Call, image: str, mounts: dict[str, str], arguments: list[str]) -> None:
    """`ufm-enterprise-installer` of the guide, and `ufm-enterprise --install` of today (ufm-rest-api: 7)."""
    today = _is_enterprise(image)
    parser = Parser(call, "ufm_installer")
    parser.add_argument("--install", action="store_true")
    parser.add_argument("--upgrade", action="store_true")
    parser.add_argument("-m", "--mode", choices=["SA", "HA"], default="SA" if today else None)
    parser.add_argument("-e", "--ufm-image", default=image if today else None)
    parser.add_argument("--fabric-interface")
    parser.add_argument("--mgmt-interface")
    parser.add_argument("--auto-start", choices=["yes", "no"], default="yes")
    options = parser.parse_words(arguments)
    for target in _needed(today, options.upgrade):
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


def _is_enterprise(image: str) -> bool:
    return repository_tag(image)[0].rpartition("/")[2] == ENTERPRISE


def _needed(today: bool, upgrade: bool) -> tuple[str, ...]:
    """What each form's document mounts."""
    if not today:
        return SOCKET, FILES, LICENSES
    return (SOCKET, UNITS, SHARED) if upgrade else (SOCKET, UNITS, FILES, LICENSES)


def _answers(call: Call, options: argparse.Namespace, mounts: dict[str, str]) -> dict[str, str]:
    """What was given by options; what was not is asked for, as in the guide's transcript."""
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


def _check_install(call: Call, answers: dict[str, str]) -> None:
    interfaces = call.host.state["interfaces"]
    fabric, management = answers["Fabric Interface"], answers["Management Interface"]
    for name in (fabric, management):
        if name not in interfaces:
            raise Refusal(f"[ERROR] Interface {name} does not exist on this host")
    if not interfaces[fabric].get("infiniband"):
        raise Refusal(f"[ERROR] {fabric} is no InfiniBand interface")
    if not interfaces[fabric]["up"] or not interfaces[fabric]["addresses"]:
        raise Refusal(f"[ERROR] Fabric interface {fabric} must be up and have an IP address")
    licenses = call.path(answers["UFM License Path"])
    if not any(f.is_file() and f.suffix == ".lic" and f.read_text().strip() for f in licenses.iterdir()):
        raise Refusal(f"[ERROR] No license file was found in {answers['UFM License Path']}")
    if answers["UFM Mode [SA/HA]"] != "SA":
        raise Refusal("[ERROR] HA needs a second node and shared storage; this host is alone")
    if answers["Deployment Mode [install/upgrade]"] != "install":
        raise Refusal(f"[ERROR] Unknown deployment mode {answers['Deployment Mode [install/upgrade]']!r}")
    _alone(call)


def _alone(call: Call) -> None:
    if "ufm" in docker.state(call)["containers"]:
        raise Refusal("[ERROR] A container named ufm exists already: stop and remove it first")


def _check_upgrade(call: Call, files: str, image: str) -> None:
    """UFM migrates its files forward only."""
    if not call.path(f"{files}/conf/gv.cfg").exists():
        raise Refusal(f"[ERROR] No UFM files were found in {files}: nothing to upgrade")
    _alone(call)
    marker, release = call.path(f"{files}/ufm_version"), _release(image)
    if release and marker.exists() and _number(marker.read_text()) > _number(release):
        raise Refusal(f"[ERROR] Upgrade from {marker.read_text().strip()} to {release} is not supported")


def _release(image: str) -> str | None:
    """That the image holds, where its tag says so."""
    _, tag = repository_tag(full_name(image))
    return tag if RELEASE.fullmatch(tag) else None


def _number(release: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", release)))


def _deploy(call: Call, answers: dict[str, str], files: str, units: str | None) -> None:
    image, fresh = full_name(answers["UFM Enterprise Image"]), answers["UFM License Path"]
    call.out("Loading UFM Enterprise Image...")
    if image not in docker.state(call)["images"]:
        call.progress(*docker.pulled(call, image))
    if answers["Deployment Mode [install/upgrade]"] == "install":
        call.out("Copying UFM Configuration Files...")
        fabric, management = answers["Fabric Interface"], answers["Management Interface"]
        call.write(f"{files}/conf/gv.cfg", f"[Server]\nfabric_interface = {fabric}\nmgmt_interface = {management}\n")
        call.path(f"{files}/ufm_version").unlink(missing_ok=True)
        call.out("Copying License File...")
        for source in call.path(fresh).glob("*.lic"):
            call.write(f"{files}/licenses/{source.name}", source.read_text(), 0o600)
    if units:
        call.write(f"{units.rstrip('/')}/{ENTERPRISE}.service", UNIT.format(files=files, image=image))
    else:
        call.progress("Creating UFM Enterprise Container...", "UFM Container Created")
        call.out("[*] Starting UFM Container")
        docker.create(call, "ufm", image, {files: INSIDE})
        call.out("UFM Container started. You can check UFM status by running:")
        call.out("docker exec -it ufm /etc/init.d/ufmd status")
    call.out("   UFM container installation finished successfully")


# -- today's systemd unit

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
"""The vendor's own text is not public; that its container goes with `systemctl stop` follows from his upgrade steps,
which remove the image right after it."""


def _switch_ufm(call: Call, verb: str) -> None:
    running = "ufm" in docker.state(call)["containers"]
    if verb in ("stop", "restart") and running:
        docker.stop_container(call, "ufm")
    if verb == "restart" or (verb == "start" and not running):
        text = call.text(f"/etc/systemd/system/{ENTERPRISE}.service")
        found = re.search(rf"-v (\S+):{INSIDE} (\S+)", text)
        if not found:
            raise Refusal(f"Job for {ENTERPRISE}.service failed because the control process exited with error code.")
        docker.create(call, "ufm", found[2], {found[1]: INSIDE}, rm=True)


SWITCHES[ENTERPRISE] = _switch_ufm


# -- the container


def _start(call: Call, container: Container) -> None:
    """The first start on an empty folder makes UFM's data; another release's on old ones brings them forward."""
    release, files = _release(container["image"]), _files(container)
    container.update(pid=600 + secrets.randbelow(99), starting=call.host.state.get("slow_starts", 0))
    container["ufmd"] = release not in call.host.state.get("broken_releases", [])
    if not container["ufmd"]:
        _log(call, files, f"ERROR: {release}: migration of the database failed, giving up")
        return
    known, marker = call.host.state.get("ufm"), call.path(f"{files}/ufm_version")
    ufm = call.rack.backends.ufm
    if known is None or not marker.exists():
        ufm.call("install", release)
    else:
        if release and release != known["release"]:
            ufm.call("upgrade", release)
        ufm.call("start")
    with call.host.change() as state:
        state["ufm"] = {"files": files, "release": release}
    call.write(f"{files}/ufm_version", f"{release or 'unknown'}\n")
    _log(call, files, f"UFM {release or ''} started")


def _files(container: Container) -> str:
    return next(str(source) for source, target in container["mounts"].items() if target == INSIDE)


def _log(call: Call, files: str, line: str) -> None:
    file = f"{files}/log/ufm.log"
    before = call.path(file).read_text() if call.path(file).exists() else ""
    call.write(file, f"{before}{line}\n")


def _stop(call: Call, container: Container) -> None:
    if container["ufmd"]:
        call.rack.backends.ufm.call("stop")
    if container["rm"] and ENTERPRISE in units(call):
        set_unit(call, ENTERPRISE, active=False)


def _restart(call: Call, container: Container) -> None:
    call.rack.backends.ufm.call("restart")
    container["pid"] = 600 + secrets.randbelow(99)


def _execute(call: Call, container: Container, words: list[str]) -> int:
    if words[:1] not in (["/etc/init.d/ufmd"], ["ufmd"], ["service"]) or len(words) < 2:
        raise Refusal(f'OCI runtime exec failed: exec failed: "{" ".join(words)}": executable file not found', 126)
    if words[-1] == "status":
        return _status(call, container)
    if words[-1] not in ("restart", "start"):
        raise Refusal("Usage: /etc/init.d/ufmd {start|restart|status}", 2)
    if container["ufmd"]:
        with call.host.change() as state:
            _restart(call, container)
            container["starting"] = state.get("slow_starts", 0)
    call.progress("Stopping ufmd: [  OK  ]", "Starting ufmd: [  OK  ]")
    return 0


def _status(call: Call, container: Container) -> int:
    up = container["ufmd"] and not container["starting"]
    if container["starting"]:
        with call.host.change():
            container["starting"] -= 1
    call.out("ufmd status\n" + (f"ufmd (pid {container['pid']}) is running..." if up else "ufmd is stopped"))
    return 0 if up else 3


def _logs(call: Call, container: Container) -> list[str]:
    file = call.path(f"{_files(container)}/log/ufm.log")
    return file.read_text().splitlines() if file.exists() else []


def _settle(call: Call) -> None:
    """UFM's folder is gone, and so is UFM."""
    known: dict[str, Any] | None = call.host.state.get("ufm")
    if known and not docker.find(call, "ufm") and not call.path(f"{known['files']}/ufm_version").exists():
        call.rack.backends.ufm.call("remove")
        with call.host.change() as state:
            del state["ufm"]


docker.PROGRAMS.append(Program(_installer, _start, _stop, _restart, _execute, _logs, _settle))


@command("curl", "ufm")
def curl(call: Call) -> int:
    """UFM's release as its REST API gives it on its own host, to whom says that he is a user there; else the real curl.

    Source: rest_api.log of a real UFM, and NVIDIA's plugins, which ask it so.
    """
    if [word for word in call.argv if "://" in word] != [VERSION_URL]:
        raise Become(["/usr/bin/curl", *call.argv[1:]])
    found = docker.find(call, "ufm")
    if found is None or not found[1]["running"] or not found[1]["ufmd"] or found[1]["starting"]:
        raise Refusal("curl: (7) Failed to connect to 127.0.0.1 port 8000: Connection refused", 7)
    if not any(word.startswith("X-Remote-User:") for word in call.argv):
        raise Refusal("curl: (22) The requested URL returned error: 401", 22)
    try:
        call.out(json.dumps({"ufm_release_version": call.rack.backends.ufm.release()}))
    except LabError as error:
        raise Refusal(f"curl: (7) {error}", 7) from None
    return 0
