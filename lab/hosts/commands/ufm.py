"""The UFM node: Docker and the UFM container (U1 to U6), its network interfaces (U3)."""

import argparse
import hashlib
import json
import os
import re
import secrets
import tarfile
import time
from ipaddress import IPv4Interface
from typing import Any

from lab.hosts.call import Call, Parser, Refusal, command
from lab.hosts.commands.common import SWITCHES, set_unit, units

INSTALLER = "ufm-enterprise-installer"
ENTERPRISE = "ufm-enterprise"
SOCKET = "/var/run/docker.sock"
FILES = "/installation/ufm_files"
LICENSES = "/installation/ufm_licenses"


# -- Docker


@command("docker", "ufm")
def docker(call: Call) -> int:
    """The subcommands that the guide and this program use; others are refused as unknown."""
    call.as_root()
    rest = list(call.argv[1:])
    if rest[:1] in (["--version"], ["-v"]):
        call.out("Docker version 24.0.2, build cb74dfc")
        return 0
    if not rest or rest[0] not in DOCKER:
        raise Refusal(f"docker: '{' '.join(rest[:1])}' is not a docker command.\nSee 'docker --help'")
    if not units(call).get("docker", {}).get("active"):
        raise Refusal(f"Cannot connect to the Docker daemon at unix://{SOCKET}. Is the docker daemon running?")
    return DOCKER[rest[0]](call, rest[1:]) or 0


def _state(call: Call) -> dict[str, Any]:
    state = call.host.state
    return {"images": state.get("images", {}), "containers": state.get("containers", {})}


def _tagged(image: str) -> str:
    return image if ":" in image.rpartition("/")[2] else f"{image}:latest"


def _parser(call: Call, name: str) -> Parser:
    return Parser(call, f"docker {name}")


def _version(call: Call, rest: list[str]) -> None:
    parser = _parser(call, "version")
    parser.add_argument("-f", "--format")
    options = parser.parse_words(rest)
    if options.format:
        call.out(options.format.replace("{{.Server.Version}}", "24.0.2").replace("{{.Client.Version}}", "24.0.2"))
        return
    for side in ("Client", "Server"):
        call.out(f"{side}: Docker Engine - Community\n Version:           24.0.2\n API version:       1.43")


def _info(call: Call, rest: list[str]) -> None:
    _parser(call, "info").parse_words(rest)
    containers = _state(call)["containers"]
    call.out(
        f"Server:\n Containers: {len(containers)}\n Images: {len(_state(call)['images'])}\n Server Version: 24.0.2"
    )


def _pull(call: Call, rest: list[str]) -> None:
    parser = _parser(call, "pull")
    parser.add_argument("-q", "--quiet", action="store_true")
    parser.add_argument("image")
    options = parser.parse_words(rest)
    call.progress(
        *_pulled(call, _tagged(options.image), "Using default tag: latest" if ":" not in options.image else "")
    )
    call.out(f"docker.io/{_tagged(options.image)}")


def _pulled(call: Call, image: str, first: str = "") -> list[str]:
    """Fetches from the vendor's repository, which holds the installer and UFM; the lines Docker prints."""
    repository, _, tag = image.rpartition(":")
    if not re.fullmatch(rf"(.*/)?mellanox/({INSTALLER}|{ENTERPRISE})", repository):
        raise Refusal(
            f"Error response from daemon: pull access denied for "
            f"{repository}, repository does not exist or may require "
            "'docker login': denied: requested access to the resource is denied"
        )
    digest = hashlib.sha256(image.encode()).hexdigest()
    head = [first] if first else []
    if image in _state(call)["images"]:
        return [
            *head,
            f"{tag}: Pulling from {repository}",
            f"Digest: sha256:{digest}",
            f"Status: Image is up to date for {image}",
        ]
    _add_image(call, image)
    layers = [f"{hashlib.sha256(f'{image}{i}'.encode()).hexdigest()[:12]}: Pull complete" for i in range(3)]
    done = [f"Digest: sha256:{digest}", f"Status: Downloaded newer image for {image}"]
    return [*head, f"{tag}: Pulling from {repository}", *layers, *done]


def _add_image(call: Call, image: str) -> None:
    with call.host.change() as state:
        state.setdefault("images", {})[image] = {
            "id": hashlib.sha256(image.encode()).hexdigest()[:12],
            "created": time.time(),
        }


def _images(call: Call, rest: list[str]) -> None:
    parser = _parser(call, "images")
    parser.add_argument("-q", "--quiet", action="store_true")
    parser.add_argument("--format")
    parser.add_argument("name", nargs="?")
    options = parser.parse_words(rest)
    found = {
        name: image
        for name, image in _state(call)["images"].items()
        if options.name in (None, name, name.rpartition(":")[0])
    }
    if options.quiet:
        call.out("".join(f"{image['id']}\n" for image in found.values()), end="")
        return
    rows = [
        {
            "Repository": n.rpartition(":")[0],
            "Tag": n.rpartition(":")[2],
            "ID": i["id"],
            "CreatedSince": "2 weeks ago",
            "Size": "1.6GB",
        }
        for n, i in found.items()
    ]
    _rows(
        call,
        options.format,
        rows,
        {"Repository": "REPOSITORY", "Tag": "TAG", "ID": "IMAGE ID", "CreatedSince": "CREATED", "Size": "SIZE"},
    )


def _rows(call: Call, template: str | None, rows: list[dict[str, str]], headers: dict[str, str]) -> None:
    """Docker's table, or a Go template of plain fields for each row."""
    if template and not template.startswith("table "):
        for row in rows:
            call.out(_fill(template, row))
        return
    widths = {k: max(len(h), *(len(r[k]) for r in rows)) if rows else len(h) for k, h in headers.items()}
    for line in (headers, *rows):
        call.out("   ".join(f"{line[k]:<{w}}" for k, w in widths.items()).rstrip())


def _fill(template: str, row: dict[str, str]) -> str:
    if template == "json" or template == "{{json .}}":
        return json.dumps(row)

    def field(match: re.Match[str]) -> str:
        if match[1] not in row:
            raise Refusal(f'template: :1:3: executing "" at <.{match[1]}>: can\'t evaluate field {match[1]}', 1)
        return row[match[1]]

    return re.sub(r"\{\{\s*\.([\w.]+)\s*\}\}", field, template)


def _ps(call: Call, rest: list[str]) -> None:
    parser = _parser(call, "ps")
    parser.add_argument("-a", "--all", action="store_true")
    parser.add_argument("-q", "--quiet", action="store_true")
    parser.add_argument("-f", "--filter", action="append", default=[])
    parser.add_argument("--format")
    parser.add_argument("--no-trunc", action="store_true")
    options = parser.parse_words(_split_short(rest))
    rows = [
        {
            "ID": c["id"], "Image": c["image"], "Command": '"sh /usr/sbin/docker…"',
            "CreatedAt": _ago(c["created"]) + " ago",
            "Status": _status(c), "Ports": "", "Names": name, "State": "running" if c["running"] else "exited",
        }
        for name, c in _state(call)["containers"].items()
        if (options.all or c["running"]) and all(_matches(name, c, f) for f in options.filter)
    ]  # fmt: skip
    if options.quiet:
        call.out("".join(f"{row['ID']}\n" for row in rows), end="")
        return
    headers = {
        "ID": "CONTAINER ID", "Image": "IMAGE", "Command": "COMMAND", "CreatedAt": "CREATED", "Status": "STATUS",
        "Ports": "PORTS", "Names": "NAMES",
    }  # fmt: skip
    _rows(call, options.format, rows, headers)


def _split_short(rest: list[str]) -> list[str]:
    """-aq → -a -q, as Docker reads it."""
    return [x for a in rest for x in ([f"-{c}" for c in a[1:]] if re.fullmatch(r"-[aq]{2}", a) else [a])]


def _matches(name: str, container: dict[str, Any], rule: str) -> bool:
    key, _, value = rule.partition("=")
    if key == "name":  # Docker's names start with a slash, which the expression may carry or not
        return re.search(value, name) is not None or re.search(value, f"/{name}") is not None
    if key == "status":
        return value == ("running" if container["running"] else "exited")
    if key == "ancestor":
        return bool(container["image"] == _tagged(value))
    raise Refusal(f"Error response from daemon: invalid filter '{key}'")


def _ago(since: float) -> str:
    seconds = int(time.time() - since)
    return f"{seconds} seconds" if seconds < 120 else f"{seconds // 60} minutes"


def _status(container: dict[str, Any]) -> str:
    since = _ago(container["since"])
    return f"Up {since}" if container["running"] else f"Exited (0) {since} ago"


def _container(call: Call, name: str) -> dict[str, Any]:
    for known, container in _state(call)["containers"].items():
        if name == known or (len(name) >= 4 and container["id"].startswith(name)):
            found: dict[str, Any] = container
            return found
    raise Refusal(f"Error: No such container: {name}")


def _inspect(call: Call, rest: list[str]) -> None:
    parser = _parser(call, "inspect")
    parser.add_argument("-f", "--format")
    parser.add_argument("name")
    options = parser.parse_words(rest)
    try:
        container = _container(call, options.name)
    except Refusal:
        image = _state(call)["images"].get(_tagged(options.name))
        if image is None:
            raise Refusal(f"[]\nError: No such object: {options.name}") from None
        call.out(json.dumps([{"Id": image["id"], "RepoTags": [_tagged(options.name)]}], indent=4))
        return
    state = {"Status": "running" if container["running"] else "exited", "Running": container["running"]}
    if options.format:
        fields = {"State.Status": str(state["Status"]), "State.Running": str(state["Running"]).lower()}
        call.out(
            _fill(options.format, {**fields, "Name": "/ufm", "Config.Image": container["image"], "Id": container["id"]})
        )
        return
    mounts = [{"Source": s, "Destination": d} for s, d in container["mounts"].items()]
    document = {
        "Id": container["id"],
        "Name": "/ufm",
        "State": state,
        "Config": {"Image": container["image"]},
        "Mounts": mounts,
    }
    call.out(json.dumps([document], indent=4))


# -- UFM's installer


def _run(call: Call, rest: list[str]) -> None:
    parser = _parser(call, "run")
    for flag in ("-i", "-t", "-d", "--rm", "--privileged"):
        parser.add_argument(flag, action="store_true", dest=flag.strip("-"))
    parser.add_argument("--name")
    parser.add_argument("--network", "--net")
    parser.add_argument("-v", "--volume", action="append", default=[], dest="volumes")
    parser.add_argument("-e", "--env", action="append", default=[])
    parser.add_argument("image")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_words([x for a in rest for x in (["-i", "-t"] if a == "-it" else [a])])
    if options.t and options.i and not _is_tty(call):
        raise Refusal("the input device is not a TTY")
    image = _tagged(options.image)
    if options.name in _state(call)["containers"]:
        raise Refusal(
            f'docker: Error response from daemon: Conflict. The container name "/{options.name}" is already in use.',
            125,
        )
    if image not in _state(call)["images"]:
        call.err(f"Unable to find image '{image}' locally")
        for line in _pulled(call, image):
            call.err(line)
    _installer(call, image, _mounts(call, options.volumes), options.arguments)


def _is_tty(call: Call) -> bool:
    return os.isatty(call.streams[0])


def _mounts(call: Call, volumes: list[str]) -> dict[str, str]:
    """Container path → host path. As Docker does, a missing host folder is made."""
    mounts = {}
    for volume in volumes:
        source, _, target = volume.partition(":")
        target = target.partition(":")[0]
        if not source.startswith("/") or not target.startswith("/"):
            raise Refusal(f"docker: Error response from daemon: invalid volume specification: '{volume}'.", 125)
        if source != SOCKET:
            call.path(source).mkdir(parents=True, exist_ok=True)
        mounts[target.rstrip("/")] = source
    return mounts


def _installer(call: Call, image: str, mounts: dict[str, str], arguments: list[str]) -> None:
    """`ufm-enterprise-installer` of the guide, and `ufm-enterprise --install` of today (ufm-rest-api: 7)."""
    today = image.rpartition(":")[0].rpartition("/")[2] == ENTERPRISE
    parser = Parser(call, "ufm_installer")
    parser.add_argument("--install", action="store_true")
    parser.add_argument("--upgrade", action="store_true")
    parser.add_argument("-m", "--mode", choices=["SA", "HA"], default="SA" if today else None)
    parser.add_argument("-e", "--ufm-image", default=image if today else None)
    parser.add_argument("--fabric-interface")
    parser.add_argument("--mgmt-interface")
    parser.add_argument("--auto-start", choices=["yes", "no"], default="yes")
    options = parser.parse_words(arguments)
    for target in (SOCKET, FILES, LICENSES):
        if target not in mounts:
            raise Refusal(f"[ERROR] {target} is not mounted: run the installer with -v <host path>:{target}")
    answers = _answers(call, options, mounts)
    for label, value in answers.items():
        call.out(f"{label + ':':<37}{value}")
    _check(call, answers, options.upgrade)
    _install(call, answers)


def _answers(call: Call, options: argparse.Namespace, mounts: dict[str, str]) -> dict[str, str]:
    """What was given by options; what was not is asked for, as in the guide's transcript."""
    mode = "install" if options.install else "upgrade" if options.upgrade else None
    given = {
        "Deployment Mode [install/upgrade]": mode,
        "UFM Mode [SA/HA]": options.mode,
        "UFM Enterprise Image": options.ufm_image,
        "UFM Files Path": mounts[FILES],
        "UFM License Path": mounts[LICENSES],
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


def _check(call: Call, answers: dict[str, str], upgrade: bool) -> None:
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
    if answers["Deployment Mode [install/upgrade]"] not in ("install", "upgrade"):
        raise Refusal(f"[ERROR] Unknown deployment mode {answers['Deployment Mode [install/upgrade]']!r}")
    if not upgrade and "ufm" in _state(call)["containers"]:
        raise Refusal("[ERROR] A container named ufm exists already: remove it, or choose upgrade")


def _install(call: Call, answers: dict[str, str]) -> None:
    image, files = _tagged(answers["UFM Enterprise Image"]), answers["UFM Files Path"].rstrip("/")
    call.out("Loading UFM Enterprise Image...")
    call.progress(*_pulled(call, image), "Creating UFM Enterprise Container...", "UFM Container Created")
    call.out("Copying UFM Configuration Files...")
    fabric, management = answers["Fabric Interface"], answers["Management Interface"]
    call.write(f"{files}/conf/gv.cfg", f"[Server]\nfabric_interface = {fabric}\nmgmt_interface = {management}\n")
    call.out("Copying License File...")
    for source in call.path(answers["UFM License Path"]).glob("*.lic"):
        call.write(f"{files}/licenses/{source.name}", source.read_text(), 0o600)
    call.out("[*] Starting UFM Container")
    call.rack.parts.ufm.call("install")
    now = time.time()
    with call.host.change() as state:
        state.setdefault("containers", {})["ufm"] = {
            "id": secrets.token_hex(6), "image": image, "created": now, "since": now, "running": True,
            "mounts": {files: "/opt/ufm/files"}, "pid": 600 + secrets.randbelow(99),
        }  # fmt: skip
    set_unit(call, "ufm-enterprise", active=True, enabled=True)
    call.out("UFM Container started. You can check UFM status by running:\ndocker exec -it ufm /etc/init.d/ufmd status")
    call.out("   UFM container installation finished successfully")


# -- the running container


def _exec(call: Call, rest: list[str]) -> int:
    parser = _parser(call, "exec")
    parser.add_argument("-i", action="store_true")
    parser.add_argument("-t", action="store_true")
    parser.add_argument("name")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_words([x for a in rest for x in (["-i", "-t"] if a == "-it" else [a])])
    container = _container(call, options.name)
    if options.t and not _is_tty(call):
        raise Refusal("the input device is not a TTY")
    if not container["running"]:
        raise Refusal(f"Error response from daemon: Container {container['id']} is not running")
    if options.command[:1] not in (["/etc/init.d/ufmd"], ["ufmd"], ["service"]) or len(options.command) < 2:
        raise Refusal(
            f'OCI runtime exec failed: exec failed: "{" ".join(options.command)}": executable file not found', 126
        )
    return _ufmd(call, container, options.command[-1])


def _ufmd(call: Call, container: dict[str, Any], verb: str) -> int:
    if verb == "status":
        call.out(
            f"ufmd status\nufmd (pid {container['pid']}) is running..."
            if container.get("ufmd", True)
            else "ufmd is stopped"
        )
        return 0 if container.get("ufmd", True) else 3
    if verb not in ("restart", "start"):
        raise Refusal("Usage: /etc/init.d/ufmd {start|restart|status}", 2)
    call.rack.parts.ufm.call("restart")
    with call.host.change():
        container["pid"] = 600 + secrets.randbelow(99)
    call.progress("Stopping ufmd: [  OK  ]", "Starting ufmd: [  OK  ]")
    return 0


def _stop(call: Call, rest: list[str]) -> None:
    parser = _parser(call, "stop")
    parser.add_argument("-t", "--time", type=int)
    parser.add_argument("names", nargs="+")
    for name in parser.parse_words(rest).names:
        _set_running(call, name, running=False)
        call.out(name)


def _start(call: Call, rest: list[str]) -> None:
    parser = _parser(call, "start")
    parser.add_argument("names", nargs="+")
    for name in parser.parse_words(rest).names:
        _set_running(call, name, running=True)
        call.out(name)


def _restart(call: Call, rest: list[str]) -> None:
    parser = _parser(call, "restart")
    parser.add_argument("names", nargs="+")
    for name in parser.parse_words(rest).names:
        _container(call, name)
        call.rack.parts.ufm.call("restart")
        _set_running(call, name, running=True, tell=False)
        call.out(name)


def _set_running(call: Call, name: str, running: bool, tell: bool = True) -> None:
    container = _container(call, name)
    if container["running"] != running and tell:
        call.rack.parts.ufm.call("start" if running else "stop")
    with call.host.change():
        container.update(running=running, since=time.time())
    set_unit(call, "ufm-enterprise", active=running)


def _rm(call: Call, rest: list[str]) -> int:
    parser = _parser(call, "rm")
    parser.add_argument("-f", "--force", action="store_true")
    parser.add_argument("-v", "--volumes", action="store_true")
    parser.add_argument("names", nargs="+")
    options = parser.parse_words(rest)
    for name in options.names:
        try:
            container = _container(call, name)
        except Refusal:
            if options.force:  # as Docker since 20.10: said, but no failure
                call.err(f"Error: No such container: {name}")
                continue
            raise
        if container["running"] and not options.force:
            raise Refusal(
                f'Error response from daemon: cannot remove container "/{name}": container is running: stop or force'
            )
        _remove_container(call, container)
        call.out(name)
    return 0


def _remove_container(call: Call, container: dict[str, Any]) -> None:
    """UFM's data goes with the container here; on a rack they stay in the files' folder until that is removed too."""
    call.rack.parts.ufm.call("remove")
    with call.host.change() as state:
        state["containers"] = {n: c for n, c in state["containers"].items() if c["id"] != container["id"]}
        state["units"].pop("ufm-enterprise", None)


def _rmi(call: Call, rest: list[str]) -> None:
    parser = _parser(call, "rmi")
    parser.add_argument("-f", "--force", action="store_true")
    parser.add_argument("images", nargs="+")
    problems = []
    for name in map(_tagged, parser.parse_words(rest).images):
        used = [c for c in _state(call)["containers"].values() if c["image"] == name]
        if name not in _state(call)["images"]:
            problems.append(f"Error: No such image: {name}")
        elif used:
            problems.append(
                f"Error response from daemon: conflict: unable to remove repository "
                f'reference "{name}": container {used[0]["id"]} is using it'
            )
        else:
            with call.host.change() as state:
                del state["images"][name]
            call.out(f"Untagged: {name}")
    if problems:
        raise Refusal("\n".join(problems))


def _load(call: Call, rest: list[str]) -> None:
    """An archive of `docker save` for sites without Internet: the image's name stands in its manifest (U5)."""
    parser = _parser(call, "load")
    parser.add_argument("-i", "--input", required=True)
    parser.add_argument("-q", "--quiet", action="store_true")
    archive = parser.parse_words(rest).input
    if not call.path(archive).exists():
        raise Refusal(f"open {archive}: no such file or directory")
    try:
        with tarfile.open(call.path(archive)) as tar:
            member = tar.extractfile("manifest.json")
            manifest = json.loads(member.read()) if member else []
        tags = [tag for image in manifest for tag in image["RepoTags"]]
    except (tarfile.TarError, KeyError, ValueError, TypeError):
        raise Refusal("open manifest.json: no such file or directory: invalid archive") from None
    for tag in tags:
        _add_image(call, tag)
        call.out(f"Loaded image: {tag}")


def _logs(call: Call, rest: list[str]) -> None:
    parser = _parser(call, "logs")
    parser.add_argument("--tail")
    parser.add_argument("name")
    container = _container(call, parser.parse_words(rest).name)
    call.out(f"ufmd (pid {container['pid']}) started" if container["running"] else "ufmd stopped")


DOCKER = {
    "version": _version, "info": _info, "pull": _pull, "images": _images, "ps": _ps, "inspect": _inspect, "run": _run,
    "exec": _exec, "stop": _stop, "start": _start, "restart": _restart, "rm": _rm,
    "rmi": _rmi, "load": _load, "logs": _logs,
}  # fmt: skip


def _switch_ufm(call: Call, verb: str) -> None:
    if verb == "restart":
        _restart(call, ["ufm"])
    elif verb in ("start", "stop"):
        _set_running(call, "ufm", running=verb == "start")


SWITCHES["ufm-enterprise"] = _switch_ufm


# -- network interfaces


@command("ip", "ufm")
def ip(call: Call) -> None:
    """Addresses and link state of the interfaces, kept as state (U3)."""
    rest = [a for a in call.argv[1:] if a not in ("-4", "-br", "-brief", "-o")]
    brief = any(a in ("-br", "-brief") for a in call.argv[1:])
    objects = {"address": _address, "addr": _address, "a": _address, "link": _link, "l": _link}
    if not rest or rest[0] not in objects:
        raise Refusal(
            f'Object "{rest[0]}" is unknown, try "ip help".'
            if rest
            else "Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }",
            255 if not rest else 1,
        )
    objects[rest[0]](call, rest[1:] or ["show"], brief)


def _device(call: Call, words: list[str]) -> str:
    name = words[words.index("dev") + 1] if "dev" in words[:-1] else words[-1] if words else ""
    if name not in call.host.state["interfaces"]:
        raise Refusal(f'Cannot find device "{name}"' if "dev" in words else f'Device "{name}" does not exist.')
    return name


def _address(call: Call, words: list[str], brief: bool) -> None:
    verb, rest = words[0], words[1:]
    if verb in ("show", "list", "s"):
        _show(call, rest, brief)
        return
    if verb not in ("add", "replace", "del", "delete") or not rest or "dev" not in rest:
        raise Refusal(f'Command "{verb}" is unknown, try "ip address help".', 255)
    call.as_root()
    name = _device(call, rest)
    try:
        address = str(IPv4Interface(rest[0]))
    except ValueError:
        raise Refusal(f'Error: any valid prefix is expected rather than "{rest[0]}".') from None
    with call.host.change() as state:
        known = state["interfaces"][name]["addresses"]
        if verb == "add" and address in known:
            raise Refusal("RTNETLINK answers: File exists", 2)
        if verb in ("del", "delete"):
            if address not in known:
                raise Refusal("RTNETLINK answers: Cannot assign requested address", 2)
            known.remove(address)
        elif address not in known:
            known.append(address)


def _show(call: Call, rest: list[str], brief: bool) -> None:
    interfaces = call.host.state["interfaces"]
    only = _device(call, rest) if rest else None
    for number, (name, link) in enumerate(interfaces.items(), start=1):
        if only not in (None, name):
            continue
        state = "UP" if link["up"] else "DOWN"
        if brief:
            call.out(f"{name:<16} {state:<14} {' '.join(link['addresses'])}")
            continue
        flags = "BROADCAST,MULTICAST" + (",UP,LOWER_UP" if link["up"] else "")
        call.out(
            f"{number}: {name}: <{flags}> mtu {2044 if link.get('infiniband') else 1500} "
            f"state {state} group default qlen 1000"
        )
        for address in link["addresses"]:
            call.out(f"    inet {address} scope global {name}")


def _link(call: Call, words: list[str], brief: bool) -> None:
    if words[0] in ("show", "list"):
        _show(call, words[1:], brief)
        return
    if words[0] != "set" or words[-1] not in ("up", "down"):
        raise Refusal(f'Command "{words[0]}" is unknown, try "ip link help".', 255)
    call.as_root()
    name = _device(call, words[1:-1])
    with call.host.change() as state:
        state["interfaces"][name]["up"] = words[-1] == "up"
