"""Docker's containers (U5, U6). Every image of the lab is UFM's, so `ufm_daemon` runs in each container."""

import re
import time

from lab.hosts.call import Call
from lab.hosts.commands import ufm_daemon
from lab.hosts.commands.docker_format import print_rows
from lab.hosts.commands.docker_images import full_name, sha
from lab.hosts.kinds.ufm import UfmHost
from lab.hosts.outcomes import Refusal
from lab.hosts.output import Parser
from lab.hosts.state import Container


def find(call: Call[UfmHost], name: str) -> tuple[str, Container] | None:
    """Return a container and its name, by its name or by four or more first digits of its ID."""
    for container_name, container in call.host.state.containers.items():
        if name == container_name or (len(name) >= 4 and container.id.startswith(name)):
            return container_name, container
    return None


def existing(call: Call[UfmHost], name: str) -> tuple[str, Container]:
    """Return a container as `find` does.

    Raises:
        Refusal: there is none.
    """
    found = find(call, name)
    if found is None:
        raise Refusal(f"Error: No such container: {name}")
    return found


def create(call: Call[UfmHost], name: str, image: str, mounts: dict[str, str], rm: bool = False) -> Container:
    """Create and start a container, as `docker run -d`.

    Raises:
        Refusal: the name is taken.
        LabError: UFM does not start; there is no container then.
    """
    check_name(call, name)
    now = time.time()
    container = Container(
        id=sha(f"{name}{now}")[:12], image=image, image_id=call.host.state.images[image].id,
        created=now, since=now, running=True, mounts=mounts, rm=rm,
    )  # fmt: skip
    ufm_daemon.start(call, container)
    with call.host.change():
        call.host.state.containers[name] = container
    return container


def check_name(call: Call[UfmHost], name: str) -> None:
    """Check that no container has this name.

    Raises:
        Refusal: one has it.
    """
    if name in call.host.state.containers:
        text = f'Conflict. The container name "/{name}" is already in use.'
        raise Refusal(f"docker: Error response from daemon: {text}", 125)


def stop_container(call: Call[UfmHost], name: str) -> None:
    """Stop a container; remove it if it was created with --rm."""
    name, container = existing(call, name)
    if not container.running:
        return
    ufm_daemon.stop(call, container)
    with call.host.change():
        container.running, container.since = False, time.time()
    if container.rm:
        _forget(call, name)


def _forget(call: Call[UfmHost], name: str) -> None:
    with call.host.change():
        del call.host.state.containers[name]


def _ago(since: float) -> str:
    seconds = int(time.time() - since)
    return f"{seconds} seconds" if seconds < 120 else f"{seconds // 60} minutes"


def status(container: Container) -> str:
    """Return the status in Docker's words."""
    return "running" if container.running else "exited"


def _since(container: Container) -> str:
    since = _ago(container.since)
    return f"Up {since}" if container.running else f"Exited (0) {since} ago"


def stop_named(call: Call[UfmHost], rest: list[str]) -> None:
    """Run `docker stop`."""
    options = Parser(call, "docker stop")
    options.add_argument("-t", "--time", type=int)
    options.add_argument("names", nargs="+")
    for name in options.parse_words(rest).names:
        stop_container(call, name)
        call.out(name)


def start_named(call: Call[UfmHost], rest: list[str]) -> None:
    """Run `docker start`."""
    options = Parser(call, "docker start")
    options.add_argument("names", nargs="+")
    for name in options.parse_words(rest).names:
        _, container = existing(call, name)
        if not container.running:
            ufm_daemon.start(call, container)
            with call.host.change():
                container.running, container.since = True, time.time()
        call.out(name)


def restart_named(call: Call[UfmHost], rest: list[str]) -> None:
    """Run `docker restart`."""
    options = Parser(call, "docker restart")
    options.add_argument("names", nargs="+")
    for name in options.parse_words(rest).names:
        _, container = existing(call, name)
        ufm_daemon.restart(call, container)
        with call.host.change():
            container.running, container.since = True, time.time()
        call.out(name)


def rename(call: Call[UfmHost], rest: list[str]) -> None:
    """Run `docker rename`."""
    options = Parser(call, "docker rename")
    options.add_argument("old")
    options.add_argument("new")
    chosen = options.parse_words(rest)
    old, container = existing(call, chosen.old)
    if chosen.new in call.host.state.containers:
        text = f'Conflict. The container name "/{chosen.new}" is already in use.'
        raise Refusal(f"Error response from daemon: Error when allocating new name: {text}")
    with call.host.change():
        del call.host.state.containers[old]
        call.host.state.containers[chosen.new] = container


def remove(call: Call[UfmHost], rest: list[str]) -> None:
    """Run `docker rm`."""
    options = Parser(call, "docker rm")
    options.add_argument("-f", "--force", action="store_true")
    options.add_argument("-v", "--volumes", action="store_true")
    options.add_argument("names", nargs="+")
    chosen = options.parse_words(rest)
    for given in chosen.names:
        if find(call, given) is None and chosen.force:  # since Docker 20.10 a message and status 0
            call.err(f"Error: No such container: {given}")
            continue
        name, container = existing(call, given)
        if container.running and not chosen.force:
            raise Refusal(
                f'Error response from daemon: cannot remove container "/{name}": container is running: stop or force'
            )
        stop_container(call, name)
        if find(call, name):
            _forget(call, name)
        call.out(given)


def show_logs(call: Call[UfmHost], rest: list[str]) -> None:
    """Run `docker logs`."""
    options = Parser(call, "docker logs")
    options.add_argument("-n", "--tail", default="all")
    options.add_argument("name")
    chosen = options.parse_words(rest)
    _, container = existing(call, chosen.name)
    lines = ufm_daemon.logs(call, container)
    for line in lines if chosen.tail == "all" else lines[-int(chosen.tail) :]:
        call.out(line)


def list_containers(call: Call[UfmHost], rest: list[str]) -> None:
    """Run `docker ps`."""
    options = Parser(call, "docker ps")
    options.add_argument("-a", "--all", action="store_true")
    options.add_argument("-q", "--quiet", action="store_true")
    options.add_argument("-f", "--filter", action="append", default=[])
    options.add_argument("--format")
    options.add_argument("--no-trunc", action="store_true")
    chosen = options.parse_words(_split_short(rest))
    filtered = any(rule.startswith("status=") for rule in chosen.filter)
    rows = [
        {
            "ID": c.id, "Image": c.image, "Command": '"sh /usr/sbin/docker…"',
            "CreatedAt": _ago(c.created) + " ago",
            "Status": _since(c), "Ports": "", "Names": name, "State": status(c),
        }
        for name, c in call.host.state.containers.items()
        if (chosen.all or filtered or c.running) and all(_matches(name, c, f) for f in chosen.filter)
    ]  # fmt: skip
    if chosen.quiet:
        call.out("".join(f"{row['ID']}\n" for row in rows), end="")
        return
    headers = {
        "ID": "CONTAINER ID", "Image": "IMAGE", "Command": "COMMAND", "CreatedAt": "CREATED", "Status": "STATUS",
        "Ports": "PORTS", "Names": "NAMES",
    }  # fmt: skip
    print_rows(call, chosen.format, rows, headers)


def _split_short(rest: list[str]) -> list[str]:
    """Return the words with -aq as -a -q."""
    return [x for a in rest for x in ([f"-{c}" for c in a[1:]] if re.fullmatch(r"-[aq]{2}", a) else [a])]


def _matches(name: str, container: Container, rule: str) -> bool:
    key, _, value = rule.partition("=")
    if key == "name":  # Docker's names start with a slash, which the expression may carry or not
        return re.search(value, name) is not None or re.search(value, f"/{name}") is not None
    if key == "status":
        return value == status(container)
    if key == "ancestor":
        return container.image == full_name(value)
    raise Refusal(f"Error response from daemon: invalid filter '{key}'")
