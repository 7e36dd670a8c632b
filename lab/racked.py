"""What stands in the lab's rack: the configured nodes, the spares beside them, and what the configuration does not say.

The lab's hardware is what it is, as on a rack: a spare that moves into `nodes` while the lab runs is the same machine,
and a GUID or an interface's name that the configuration leaves to introspection is there to be found.
"""

from pathlib import Path

import yaml
from pydantic import ValidationError
from pydantic_core import to_json

from lab.process import LabError
from rack.plan import Plan
from rack.site import Node, Site, problems
from rack.site.load import load_stack_file

SPARES = "lab:spares"
"""The key of a stack's file, beside rack:site."""

INTERFACE = "ib2"
"""The wired port's interface in the guide (O2), where `fabric.interface` is left out."""


def racked(stack: Path) -> Plan:
    """The plan of all machines in the rack of a stack's file, spares last.

    Raises:
        ConfigError: the file describes no rack. LabError: a spare is no node.
    """
    return Plan(complete(load_stack_file(stack), spares(stack)))


def spares(stack: Path) -> tuple[Node, ...]:
    """The nodes under `lab:spares`; none where the key is not there.

    Raises:
        LabError: one of them is no node, with every problem.
    """
    written = yaml.safe_load(stack.read_text())["config"].get(SPARES, [])
    return tuple(_spare(number, entry) for number, entry in enumerate(written))


def _spare(number: int, written: object) -> Node:
    try:
        # By way of JSON, strictly, as rack.site reads the site.
        return Node.model_validate_json(to_json(written), strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        lines = problems.lines(error.errors(), Node, "the entry")
        raise LabError("\n".join(f"{SPARES} {number}: {line}" for line in lines)) from None


def complete(site: Site, beside: tuple[Node, ...]) -> Site:
    """The site with the spares that it does not name, every GUID and the interface's name."""
    names = {node.name for node in site.nodes}
    nodes = (*site.nodes, *(node for node in beside if node.name not in names))
    fabric = site.fabric.model_copy(update={"interface": site.fabric.interface or INTERFACE})
    return site.model_copy(update={"nodes": tuple(_with_guid(node) for node in nodes), "fabric": fabric})


def _with_guid(node: Node) -> Node:
    """A GUID left out follows from the MAC, with room for the second port's and unlike the VFs'."""
    made = f"b8599f0300{int(node.mac.replace(':', ''), 16) << 4 & 0xFFFFFF:06x}"
    return node.model_copy(update={"guid": node.guid or made})
