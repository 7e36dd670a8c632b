"""`docker` on UFM's node (U1, U5, U6): finds the subcommand; `run`, `exec`, `inspect`, `version` and `info`."""

import argparse
import json
import os
from collections.abc import Callable
from typing import Any

from lab.hosts.call import Call
from lab.hosts.commands import docker_containers, docker_images, ufm_daemon, ufm_installer
from lab.hosts.commands.apt import engine
from lab.hosts.commands.docker_containers import check_name, existing, find, status
from lab.hosts.commands.docker_format import fill
from lab.hosts.commands.docker_images import digest_of, find_image, full_name, pulled, repository_tag
from lab.hosts.kinds.ufm import UfmHost
from lab.hosts.outcomes import Refusal
from lab.hosts.output import Parser
from lab.hosts.registry import command

SOCKET = ufm_installer.SOCKET


@command("docker", UfmHost)
def docker(call: Call[UfmHost]) -> int:
    """Run one of the subcommands that the guide and the program use; refuse all others as unknown."""
    release = engine(call.host.state.debs)
    if not release:
        raise Refusal("bash: docker: command not found", 127)
    call.as_root()
    rest = list(call.argv[1:])
    if rest[:1] in (["--version"], ["-v"]):
        call.out(f"Docker version {release}, build cb74dfc")
        return 0
    name, words = (" ".join(rest[:2]), rest[2:]) if rest[:1] in GROUPS else (rest[0] if rest else "", rest[1:])
    if name not in SUBCOMMANDS:
        raise Refusal(f"docker: '{name}' is not a docker command.\nSee 'docker --help'")
    daemon = call.host.units.get("docker")
    if not (daemon and daemon.active) and name != "manifest inspect":
        raise Refusal(f"Cannot connect to the Docker daemon at unix://{SOCKET}. Is the docker daemon running?")
    try:
        return SUBCOMMANDS[name](call, words) or 0
    finally:
        # Files may have been deleted since the last command.
        ufm_daemon.forget_deleted(call)


def _version(call: Call[UfmHost], rest: list[str]) -> None:
    options = Parser(call, "docker version")
    options.add_argument("-f", "--format")
    template, release = options.parse_words(rest).format, engine(call.host.state.debs)
    if template:
        call.out(template.replace("{{.Server.Version}}", release).replace("{{.Client.Version}}", release))
        return
    for side in ("Client", "Server"):
        call.out(f"{side}: Docker Engine - Community\n Version:           {release}\n API version:       1.43")


def _info(call: Call[UfmHost], rest: list[str]) -> None:
    Parser(call, "docker info").parse_words(rest)
    state = call.host.state
    counts = f"Containers: {len(state.containers)}\n Images: {len(state.images)}"
    call.out(f"Server:\n {counts}\n Server Version: {engine(state.debs)}")


def _inspect(call: Call[UfmHost], rest: list[str], kind: str = "object") -> None:
    options = Parser(call, "docker inspect")
    options.add_argument("-f", "--format")
    options.add_argument("name")
    chosen = options.parse_words(rest)
    document = _container_document(call, chosen.name) if kind != "image" else None
    if document is None and kind != "container":
        document = _image_document(call, chosen.name)
    if document is None:
        raise Refusal(f"[]\nError: No such {kind}: {chosen.name}")
    call.out(fill(chosen.format, document) if chosen.format else json.dumps([document], indent=4))


def _container_document(call: Call[UfmHost], name: str) -> dict[str, Any] | None:
    found = find(call, name)
    if found is None:
        return None
    name, container = found
    return {
        "Id": container.id,
        "Name": f"/{name}",
        "State": {"Status": status(container), "Running": container.running},
        "Image": container.image_id,
        "Config": {"Image": container.image},
        "HostConfig": {"AutoRemove": container.rm},
        "Mounts": [{"Source": s, "Destination": d} for s, d in container.mounts.items()],
    }


def _image_document(call: Call[UfmHost], reference: str) -> dict[str, Any] | None:
    found = find_image(call, reference)
    if found is None:
        return None
    name, image = found
    repository, _ = repository_tag(name)
    tags = [] if "@" in name else [name]
    return {"Id": image.id, "RepoTags": tags, "RepoDigests": [f"{repository}@{digest_of(name)}"]}


def _run(call: Call[UfmHost], rest: list[str]) -> None:
    options = Parser(call, "docker run")
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
    check_name(call, chosen.name)
    if image not in call.host.state.images:
        call.err(f"Unable to find image '{image}' locally")
        for line in pulled(call, image):
            call.err(line)
    ufm_installer.install(call, image, _mounts(call, chosen.volumes), chosen.arguments)


def _interactive(rest: list[str]) -> list[str]:
    return [x for a in rest for x in (["-i", "-t"] if a == "-it" else [a])]


def _is_tty(call: Call[UfmHost]) -> bool:
    return os.isatty(call.streams[0])


def _mounts(call: Call[UfmHost], volumes: list[str]) -> dict[str, str]:
    """Return path in the container → path on the host. Missing folders of the host are created, as Docker does."""
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


def _exec(call: Call[UfmHost], rest: list[str]) -> int:
    options = Parser(call, "docker exec")
    options.add_argument("-i", action="store_true")
    options.add_argument("-t", action="store_true")
    options.add_argument("name")
    options.add_argument("command", nargs=argparse.REMAINDER)
    chosen = options.parse_words(_interactive(rest))
    _, container = existing(call, chosen.name)
    if chosen.t and not _is_tty(call):
        raise Refusal("the input device is not a TTY")
    if not container.running:
        raise Refusal(f"Error response from daemon: Container {container.id} is not running")
    return ufm_daemon.execute(call, container, chosen.command)


SUBCOMMANDS: dict[str, Callable[[Call[UfmHost], list[str]], int | None]] = {
    "version": _version,
    "info": _info,
    "pull": docker_images.pull,
    "images": docker_images.list_images,
    "rmi": docker_images.remove_images,
    "load": docker_images.load_archive,
    "manifest inspect": docker_images.inspect_manifest,
    "inspect": _inspect,
    "image inspect": lambda call, rest: _inspect(call, rest, "image"),
    "container inspect": lambda call, rest: _inspect(call, rest, "container"),
    "run": _run,
    "exec": _exec,
    "ps": docker_containers.list_containers,
    "stop": docker_containers.stop_named,
    "start": docker_containers.start_named,
    "restart": docker_containers.restart_named,
    "rename": docker_containers.rename,
    "rm": docker_containers.remove,
    "logs": docker_containers.show_logs,
}
GROUPS = (["image"], ["container"], ["manifest"])
