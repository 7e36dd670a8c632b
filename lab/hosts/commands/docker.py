"""UFM's node: Docker (U1, U5, U6). What an image does when it runs is UFM's own: `lab.hosts.commands.ufm`.

Knobs in the host's state, for tests: "offline" (no way to the registry).
"""

import argparse
import hashlib
import json
import os
import re
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab.hosts.call import Call, Parser, Refusal, command
from lab.hosts.commands.common import units

SOCKET = "/var/run/docker.sock"
PUBLISHED = re.compile(r"(.*/)?mellanox/(ufm-enterprise-installer|ufm-enterprise)")
"""The vendor's repositories."""
TAGS = re.compile(r"latest|\d+(\.\d+)+(-\d+)?")

Container = dict[str, Any]


@dataclass(frozen=True)
class Program:
    """What runs in the containers; filled in by the area that knows the images."""

    run: Callable[[Call, str, dict[str, str], list[str]], None]
    """Image, container path → host path, arguments."""
    start: Callable[[Call, Container], None]
    stop: Callable[[Call, Container], None]
    restart: Callable[[Call, Container], None]
    execute: Callable[[Call, Container, list[str]], int]
    logs: Callable[[Call, Container], list[str]]
    settle: Callable[[Call], None]
    """Called after every command: files may have gone behind Docker's back."""


PROGRAMS: list[Program] = []
"""One: all images here are of one vendor."""


@command("docker", "ufm")
def docker(call: Call) -> int:
    """The subcommands that the guide and this program use; others are refused as unknown."""
    call.as_root()
    rest = list(call.argv[1:])
    if rest[:1] in (["--version"], ["-v"]):
        call.out("Docker version 24.0.2, build cb74dfc")
        return 0
    name, words = (" ".join(rest[:2]), rest[2:]) if rest[:1] in GROUPS else (rest[0] if rest else "", rest[1:])
    if name not in COMMANDS:
        raise Refusal(f"docker: '{name}' is not a docker command.\nSee 'docker --help'")
    if not units(call).get("docker", {}).get("active") and name != "manifest inspect":
        raise Refusal(f"Cannot connect to the Docker daemon at unix://{SOCKET}. Is the docker daemon running?")
    try:
        return COMMANDS[name](call, words) or 0
    finally:
        PROGRAMS[0].settle(call)


def state(call: Call) -> dict[str, Any]:
    """Images and containers, by name."""
    known = call.host.state
    return {"images": known.get("images", {}), "containers": known.get("containers", {})}


def full_name(image: str) -> str:
    """With its tag; with a digest the tag says nothing, as in Docker."""
    name, _, digest = image.partition("@")
    repository, tag = repository_tag(name)
    return f"{repository}@{digest}" if digest else f"{repository}:{tag or 'latest'}"


def repository_tag(image: str) -> tuple[str, str]:
    """`registry:5000/ufm:1` → ("registry:5000/ufm", "1"); a digest stands for the tag, no tag is empty."""
    if "@" in image:
        repository, _, tag = image.partition("@")
        return repository, tag
    folder, _, last = image.rpartition("/")
    last, _, tag = last.partition(":")
    return f"{folder}/{last}" if folder else last, tag


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def parser(call: Call, name: str) -> Parser:
    return Parser(call, f"docker {name}")


# -- the daemon


def _version(call: Call, rest: list[str]) -> None:
    options = parser(call, "version")
    options.add_argument("-f", "--format")
    template = options.parse_words(rest).format
    if template:
        call.out(template.replace("{{.Server.Version}}", "24.0.2").replace("{{.Client.Version}}", "24.0.2"))
        return
    for side in ("Client", "Server"):
        call.out(f"{side}: Docker Engine - Community\n Version:           24.0.2\n API version:       1.43")


def _info(call: Call, rest: list[str]) -> None:
    parser(call, "info").parse_words(rest)
    known = state(call)
    counts = f" Containers: {len(known['containers'])}\n Images: {len(known['images'])}"
    call.out(f"Server:\n{counts}\n Server Version: 24.0.2")


# -- images


def _pull(call: Call, rest: list[str]) -> None:
    options = parser(call, "pull")
    options.add_argument("-q", "--quiet", action="store_true")
    options.add_argument("image")
    chosen = options.parse_words(rest)
    lines = pulled(call, chosen.image)
    if not chosen.quiet:
        call.progress(*lines)
    call.out(f"docker.io/{chosen.image if '@' in chosen.image else full_name(chosen.image)}")


def pulled(call: Call, image: str) -> list[str]:
    """Fetches from the vendor's repository, which holds the installer and UFM; the lines Docker prints."""
    name = full_name(image)
    repository, tag = repository_tag(name)
    refusal = _unpublished(call, name)
    if refusal:
        raise Refusal(f"Error response from daemon: {refusal}")
    head = ["Using default tag: latest"] if not repository_tag(image)[1] else []
    digest = f"Digest: {_digest(name)}"
    if name in state(call)["images"]:
        return [*head, f"{tag}: Pulling from {repository}", digest, f"Status: Image is up to date for {name}"]
    _add_image(call, name)
    layers = [f"{_sha(f'{name}{i}')[:12]}: Pull complete" for i in range(3)]
    done = [digest, f"Status: Downloaded newer image for {name}"]
    return [*head, f"{tag}: Pulling from {repository}", *layers, *done]


def _unpublished(call: Call, name: str) -> str:
    """Why the registry does not give it; empty where it does."""
    repository, tag = repository_tag(name)
    if call.host.state.get("offline"):
        return (
            "net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)"
        )
    if not PUBLISHED.fullmatch(repository):
        return (
            f"pull access denied for {repository}, repository does not exist or may require 'docker login': "
            "denied: requested access to the resource is denied"
        )
    if not (TAGS.fullmatch(tag) or re.fullmatch(r"sha256:[0-9a-f]{64}", tag)):
        return f"manifest for {name} not found: manifest unknown: manifest unknown"
    return ""


def _digest(name: str) -> str:
    _, tag = repository_tag(name)
    return tag if tag.startswith("sha256:") else f"sha256:{_sha(name)}"


def _add_image(call: Call, name: str) -> None:
    with call.host.change() as known:
        known.setdefault("images", {})[name] = {"id": f"sha256:{_sha(f'id of {name}')}", "created": time.time()}


def _manifest(call: Call, rest: list[str]) -> None:
    """`docker manifest inspect`: the client asks the registry itself; nothing is downloaded."""
    options = parser(call, "manifest inspect")
    options.add_argument("image")
    name = full_name(options.parse_words(rest).image)
    refusal = _unpublished(call, name)
    if "manifest unknown" in refusal:
        raise Refusal(f"no such manifest: {name}")
    if refusal:
        raise Refusal(refusal)
    call.out(json.dumps({"schemaVersion": 2, "config": {"digest": _digest(name)}}, indent=3))


def _images(call: Call, rest: list[str]) -> None:
    options = parser(call, "images")
    options.add_argument("-q", "--quiet", action="store_true")
    options.add_argument("--format")
    options.add_argument("name", nargs="?")
    chosen = options.parse_words(rest)
    found = {
        name: image
        for name, image in state(call)["images"].items()
        if chosen.name in (None, name, repository_tag(name)[0])
    }
    if chosen.quiet:
        call.out("".join(f"{_short(image)}\n" for image in found.values()), end="")
        return
    rows = [
        {
            "Repository": repository_tag(n)[0],
            "Tag": "<none>" if "@" in n else repository_tag(n)[1],
            "ID": _short(image),
            "CreatedSince": "2 weeks ago",
            "Size": "1.6GB",
        }
        for n, image in found.items()
    ]
    headers = {"Repository": "REPOSITORY", "Tag": "TAG", "ID": "IMAGE ID", "CreatedSince": "CREATED", "Size": "SIZE"}
    _rows(call, chosen.format, rows, headers)


def _short(image: dict[str, Any]) -> str:
    return str(image["id"]).removeprefix("sha256:")[:12]


def _rmi(call: Call, rest: list[str]) -> None:
    options = parser(call, "rmi")
    options.add_argument("-f", "--force", action="store_true")
    options.add_argument("images", nargs="+")
    problems = []
    for name in map(full_name, options.parse_words(rest).images):
        used = [c for c in state(call)["containers"].values() if c["image"] == name]
        if name not in state(call)["images"]:
            problems.append(f"Error: No such image: {name}")
        elif used:
            problems.append(
                f"Error response from daemon: conflict: unable to remove repository "
                f'reference "{name}" (must force): container {used[0]["id"]} is using it'
            )
        else:
            with call.host.change() as known:
                del known["images"][name]
            call.out(f"Untagged: {name}")
    if problems:
        raise Refusal("\n".join(problems))


def _load(call: Call, rest: list[str]) -> None:
    """An archive of `docker save` for sites without Internet: the images' names stand in its manifest (U5)."""
    options = parser(call, "load")
    options.add_argument("-i", "--input", required=True)
    options.add_argument("-q", "--quiet", action="store_true")
    archive = options.parse_words(rest).input
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


# -- Go's templates


def _rows(call: Call, template: str | None, rows: list[dict[str, str]], headers: dict[str, str]) -> None:
    """Docker's table, or a template for each row."""
    if template and not template.startswith("table "):
        for row in rows:
            call.out(_fill(template, row))
        return
    widths = {k: max(len(h), *(len(r[k]) for r in rows)) if rows else len(h) for k, h in headers.items()}
    for line in (headers, *rows):
        call.out("   ".join(f"{line[k]:<{w}}" for k, w in widths.items()).rstrip())


def _fill(template: str, document: dict[str, Any]) -> str:
    """Plain fields, `{{index .List 0}}` and `{{json .}}`."""
    if template in ("json", "{{json .}}"):
        return json.dumps(document)

    def field(match: re.Match[str]) -> str:
        value: Any = document
        try:
            for key in match[2].split("."):
                value = value[key]
            value = value[int(match[3])] if match[1] else value
        except (LookupError, TypeError):
            raise Refusal(f'template: :1:3: executing "" at <.{match[2]}>: can\'t evaluate field {match[2]}') from None
        return str(value).lower() if isinstance(value, bool) else str(value)

    return re.sub(r"\{\{\s*(index )?\.([\w.]+)(?: (\d+))?\s*\}\}", field, template)


def _inspect(call: Call, rest: list[str], kind: str = "object") -> None:
    options = parser(call, "inspect")
    options.add_argument("-f", "--format")
    options.add_argument("name")
    chosen = options.parse_words(rest)
    document = _container_document(call, chosen.name) if kind != "image" else None
    if document is None and kind != "container":
        document = _image_document(call, chosen.name)
    if document is None:
        raise Refusal(f"[]\nError: No such {kind}: {chosen.name}")
    call.out(_fill(chosen.format, document) if chosen.format else json.dumps([document], indent=4))


def _container_document(call: Call, name: str) -> dict[str, Any] | None:
    found = find(call, name)
    if found is None:
        return None
    name, container = found
    return {
        "Id": container["id"],
        "Name": f"/{name}",
        "State": {"Status": _status(container), "Running": container["running"]},
        "Image": container["image_id"],
        "Config": {"Image": container["image"]},
        "HostConfig": {"AutoRemove": container["rm"]},
        "Mounts": [{"Source": s, "Destination": d} for s, d in container["mounts"].items()],
    }


def _image_document(call: Call, reference: str) -> dict[str, Any] | None:
    for name, image in state(call)["images"].items():
        if name == full_name(reference) or (len(reference) >= 4 and reference in (image["id"], _short(image))):
            repository, _ = repository_tag(name)
            tags = [] if "@" in name else [name]
            return {"Id": image["id"], "RepoTags": tags, "RepoDigests": [f"{repository}@{_digest(name)}"]}
    return None


# -- containers


def find(call: Call, name: str) -> tuple[str, Container] | None:
    """A container by its name, or by the start of its ID."""
    for known, container in state(call)["containers"].items():
        if name == known or (len(name) >= 4 and container["id"].startswith(name)):
            return known, container
    return None


def _container(call: Call, name: str) -> tuple[str, Container]:
    found = find(call, name)
    if found is None:
        raise Refusal(f"Error: No such container: {name}")
    return found


def create(call: Call, name: str, image: str, mounts: dict[str, str], rm: bool = False) -> Container:
    """`docker run -d`: made and started.

    Raises:
        LabError: it does not start; there is no container then.
    """
    free(call, name)
    now = time.time()
    container = {
        "id": _sha(f"{name}{now}")[:12], "image": image, "image_id": state(call)["images"][image]["id"],
        "created": now, "since": now, "running": True, "mounts": mounts, "rm": rm,
    }  # fmt: skip
    PROGRAMS[0].start(call, container)
    with call.host.change() as known:
        known.setdefault("containers", {})[name] = container
    return container


def free(call: Call, name: str) -> None:
    """
    Raises:
        Refusal: the name is taken.
    """
    if name in state(call)["containers"]:
        text = f'Conflict. The container name "/{name}" is already in use.'
        raise Refusal(f"docker: Error response from daemon: {text}", 125)


def stop_container(call: Call, name: str) -> None:
    name, container = _container(call, name)
    if not container["running"]:
        return
    PROGRAMS[0].stop(call, container)
    with call.host.change():
        container.update(running=False, since=time.time())
    if container["rm"]:
        _forget(call, name)


def _forget(call: Call, name: str) -> None:
    with call.host.change() as known:
        del known["containers"][name]


def _ps(call: Call, rest: list[str]) -> None:
    options = parser(call, "ps")
    options.add_argument("-a", "--all", action="store_true")
    options.add_argument("-q", "--quiet", action="store_true")
    options.add_argument("-f", "--filter", action="append", default=[])
    options.add_argument("--format")
    options.add_argument("--no-trunc", action="store_true")
    chosen = options.parse_words(_split_short(rest))
    filtered = any(rule.startswith("status=") for rule in chosen.filter)
    rows = [
        {
            "ID": c["id"], "Image": c["image"], "Command": '"sh /usr/sbin/docker…"',
            "CreatedAt": _ago(c["created"]) + " ago",
            "Status": _since(c), "Ports": "", "Names": name, "State": _status(c),
        }
        for name, c in state(call)["containers"].items()
        if (chosen.all or filtered or c["running"]) and all(_matches(name, c, f) for f in chosen.filter)
    ]  # fmt: skip
    if chosen.quiet:
        call.out("".join(f"{row['ID']}\n" for row in rows), end="")
        return
    headers = {
        "ID": "CONTAINER ID", "Image": "IMAGE", "Command": "COMMAND", "CreatedAt": "CREATED", "Status": "STATUS",
        "Ports": "PORTS", "Names": "NAMES",
    }  # fmt: skip
    _rows(call, chosen.format, rows, headers)


def _split_short(rest: list[str]) -> list[str]:
    """-aq → -a -q, as Docker reads it."""
    return [x for a in rest for x in ([f"-{c}" for c in a[1:]] if re.fullmatch(r"-[aq]{2}", a) else [a])]


def _matches(name: str, container: Container, rule: str) -> bool:
    key, _, value = rule.partition("=")
    if key == "name":  # Docker's names start with a slash, which the expression may carry or not
        return re.search(value, name) is not None or re.search(value, f"/{name}") is not None
    if key == "status":
        return value == _status(container)
    if key == "ancestor":
        return bool(container["image"] == full_name(value))
    raise Refusal(f"Error response from daemon: invalid filter '{key}'")


def _ago(since: float) -> str:
    seconds = int(time.time() - since)
    return f"{seconds} seconds" if seconds < 120 else f"{seconds // 60} minutes"


def _status(container: Container) -> str:
    return "running" if container["running"] else "exited"


def _since(container: Container) -> str:
    since = _ago(container["since"])
    return f"Up {since}" if container["running"] else f"Exited (0) {since} ago"


def _run(call: Call, rest: list[str]) -> None:
    options = parser(call, "run")
    for flag in ("-i", "-t", "-d", "--rm", "--privileged"):
        options.add_argument(flag, action="store_true", dest=flag.strip("-"))
    options.add_argument("--name")
    options.add_argument("--network", "--net")
    options.add_argument("-v", "--volume", action="append", default=[], dest="volumes")
    options.add_argument("-e", "--env", action="append", default=[])
    options.add_argument("image")
    options.add_argument("arguments", nargs=argparse.REMAINDER)
    chosen = options.parse_words(_interactive(rest))
    if chosen.t and chosen.i and not _is_tty(call):
        raise Refusal("the input device is not a TTY")
    image = full_name(chosen.image)
    free(call, chosen.name)
    if image not in state(call)["images"]:
        call.err(f"Unable to find image '{image}' locally")
        for line in pulled(call, image):
            call.err(line)
    PROGRAMS[0].run(call, image, _mounts(call, chosen.volumes), chosen.arguments)


def _interactive(rest: list[str]) -> list[str]:
    return [x for a in rest for x in (["-i", "-t"] if a == "-it" else [a])]


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


def _exec(call: Call, rest: list[str]) -> int:
    options = parser(call, "exec")
    options.add_argument("-i", action="store_true")
    options.add_argument("-t", action="store_true")
    options.add_argument("name")
    options.add_argument("command", nargs=argparse.REMAINDER)
    chosen = options.parse_words(_interactive(rest))
    _, container = _container(call, chosen.name)
    if chosen.t and not _is_tty(call):
        raise Refusal("the input device is not a TTY")
    if not container["running"]:
        raise Refusal(f"Error response from daemon: Container {container['id']} is not running")
    return PROGRAMS[0].execute(call, container, chosen.command)


def _stop(call: Call, rest: list[str]) -> None:
    options = parser(call, "stop")
    options.add_argument("-t", "--time", type=int)
    options.add_argument("names", nargs="+")
    for name in options.parse_words(rest).names:
        stop_container(call, name)
        call.out(name)


def _start(call: Call, rest: list[str]) -> None:
    options = parser(call, "start")
    options.add_argument("names", nargs="+")
    for name in options.parse_words(rest).names:
        _, container = _container(call, name)
        if not container["running"]:
            PROGRAMS[0].start(call, container)
            with call.host.change():
                container.update(running=True, since=time.time())
        call.out(name)


def _restart(call: Call, rest: list[str]) -> None:
    options = parser(call, "restart")
    options.add_argument("names", nargs="+")
    for name in options.parse_words(rest).names:
        _, container = _container(call, name)
        PROGRAMS[0].restart(call, container)
        with call.host.change():
            container.update(running=True, since=time.time())
        call.out(name)


def _rename(call: Call, rest: list[str]) -> None:
    options = parser(call, "rename")
    options.add_argument("old")
    options.add_argument("new")
    chosen = options.parse_words(rest)
    old, container = _container(call, chosen.old)
    if chosen.new in state(call)["containers"]:
        text = f'Conflict. The container name "/{chosen.new}" is already in use.'
        raise Refusal(f"Error response from daemon: Error when allocating new name: {text}")
    with call.host.change() as known:
        del known["containers"][old]
        known["containers"][chosen.new] = container


def _rm(call: Call, rest: list[str]) -> None:
    options = parser(call, "rm")
    options.add_argument("-f", "--force", action="store_true")
    options.add_argument("-v", "--volumes", action="store_true")
    options.add_argument("names", nargs="+")
    chosen = options.parse_words(rest)
    for given in chosen.names:
        if find(call, given) is None and chosen.force:  # as Docker since 20.10: said, but no failure
            call.err(f"Error: No such container: {given}")
            continue
        name, container = _container(call, given)
        if container["running"] and not chosen.force:
            raise Refusal(
                f'Error response from daemon: cannot remove container "/{name}": container is running: stop or force'
            )
        stop_container(call, name)
        if find(call, name):
            _forget(call, name)
        call.out(given)


def _logs(call: Call, rest: list[str]) -> None:
    options = parser(call, "logs")
    options.add_argument("-n", "--tail", default="all")
    options.add_argument("name")
    chosen = options.parse_words(rest)
    _, container = _container(call, chosen.name)
    lines = PROGRAMS[0].logs(call, container)
    for line in lines if chosen.tail == "all" else lines[-int(chosen.tail) :]:
        call.out(line)


COMMANDS: dict[str, Callable[[Call, list[str]], int | None]] = {
    "version": _version, "info": _info, "pull": _pull, "images": _images, "ps": _ps, "inspect": _inspect, "run": _run,
    "exec": _exec, "stop": _stop, "start": _start, "restart": _restart, "rename": _rename, "rm": _rm,
    "rmi": _rmi, "load": _load, "logs": _logs,
    "image inspect": lambda call, rest: _inspect(call, rest, "image"),
    "container inspect": lambda call, rest: _inspect(call, rest, "container"),
    "manifest inspect": _manifest,
}  # fmt: skip
GROUPS = (["image"], ["container"], ["manifest"])
