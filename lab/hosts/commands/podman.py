"""Containers of the overcloud's nodes: podman (B1)."""

import argparse
import re

from lab.hosts.call import Call
from lab.hosts.kinds.node import Node
from lab.hosts.outcomes import Refusal
from lab.hosts.output import Parser
from lab.hosts.registry import command
from lab.process import LabError


@command("podman", Node)
def podman(call: Call[Node]) -> None:
    """Run `ps`, `inspect` and `exec` for the deployed services' containers."""
    if call.argv[1:2] == ["exec"]:
        _exec(call)
        return
    options = Parser(call, "podman")
    options.add_argument("verb", choices=["ps", "inspect"])
    options.add_argument("-a", "--all", action="store_true")
    options.add_argument("-q", "--quiet", action="store_true")
    options.add_argument("--format")
    options.add_argument("-f", "--filter", action="append", default=[])
    options.add_argument("names", nargs="*")
    given = options.parse()
    call.as_root()
    if given.verb == "ps":
        _ps(call, "{{.ID}}" if given.quiet else given.format, given.filter, stopped=given.all)
        return
    for name in given.names or [""]:
        if name not in call.host.containers:
            raise Refusal(f'Error: no container with name or ID "{name}" found: no such container', 125)
    call.out("true" if given.format and "Running" in given.format else "running")


def _exec(call: Call[Node]) -> None:
    """Run the only program that the lab has in a container: `mysql DATABASE -e SQL`, which prints no headings."""
    options = Parser(call, "podman exec")
    options.add_argument("-i", "-t", "-it", "-ti", action="store_true")
    options.add_argument("container", nargs="?", default="")
    options.add_argument("command", nargs=argparse.REMAINDER)
    given = options.parse_words(call.argv[2:])
    call.as_root()
    names = [row["Names"] for row in _containers(call) if given.container in (row["ID"], row["Names"])]
    if not names:
        raise Refusal(f'Error: no container with name or ID "{given.container}" found: no such container', 125)
    program, *words = given.command or [""]
    if not names[0].startswith("galera-bundle") or program != "mysql":
        raise Refusal(f"Error: crun: executable file `{program}` not found in $PATH: No such file or directory", 127)
    client = Parser(call, "mysql")
    client.add_argument("-N", "-s", "-B", action="store_true")
    client.add_argument("-e", "--execute", required=True)
    client.add_argument("database", nargs="?", default="mysql")
    asked = client.parse_words(words)
    try:
        rows = call.rack.backends.cloud.sql(asked.execute, asked.database)
    except LabError as error:
        raise Refusal(str(error)) from None
    for row in rows:
        call.out("\t".join(row))


def _ps(call: Call[Node], template: str | None, filters: list[str], *, stopped: bool) -> None:
    rows = [row for row in _containers(call, stopped=stopped) if all(_passes(row, f) for f in filters)]
    if template:
        for row in rows:
            line = template
            for key in ("ID", "Image", "Names", "Status"):
                line = line.replace("{{." + key + "}}", row[key])
            call.out(line)
        return
    call.out(f"{'CONTAINER ID':<14}{'IMAGE':<60}{'STATUS':<28}NAMES")
    for row in rows:
        call.out(f"{row['ID']:<14}{row['Image']:<60}{row['Status']:<28}{row['Names']}")


def _containers(call: Call[Node], *, stopped: bool = False) -> list[dict[str, str]]:
    """Return the containers that run on this node; with `stopped`, the others too."""
    rows = []
    for number, name in enumerate(call.host.containers if call.host.deployed else ()):
        health = call.host.container_health(name)
        if health == "stopped" and not stopped:
            continue
        status = "Exited (0) 5 minutes ago" if health == "stopped" else f"Up 5 minutes ago ({health})"
        image = call.host.state.container_images.get(name, "")
        row = {"ID": f"{number + 0xA1B2C3:012x}", "Image": image, "Names": name, "Status": status, "health": health}
        rows.append(row)
    return rows


def _passes(row: dict[str, str], condition: str) -> bool:
    key, _, value = condition.partition("=")
    if key not in ("name", "health"):
        raise Refusal(f'Error: "{key}" is an invalid filter', 125)
    return bool(re.search(value, row["Names"])) if key == "name" else row["health"] == value
