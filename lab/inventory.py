"""The machines in the lab's rack: the configured nodes, the spares, and the facts that the configuration omits.

A spare that moves into `nodes` while the lab runs keeps its MAC, GUID and BMC. A GUID or interface name that the
configuration leaves to introspection has a fixed value here.
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
"""The key of a stack's file, next to rack:site, that lists machines which are cabled but not configured."""

INTERFACE = "ib2"
"""The interface of the cabled port where `fabric.interface` is omitted (guide step O2)."""


def inventory_plan(stack: Path) -> Plan:
    """Return the plan of all machines in the rack of a stack's file, spares last.

    Raises:
        ConfigError: the site in the file is invalid.
        LabError: a spare in the file is invalid.
    """
    return Plan(complete(load_stack_file(stack), spares(stack)))


def spares(stack: Path) -> tuple[Node, ...]:
    """Return the nodes under `lab:spares`, or none if the file does not have the key.

    Raises:
        LabError: a spare is not a valid node; the text lists every problem.
    """
    written = yaml.safe_load(stack.read_text())["config"].get(SPARES, [])
    return tuple(_spare(number, entry) for number, entry in enumerate(written))


def _spare(number: int, written: object) -> Node:
    try:
        # Validated as strict JSON, as rack.site validates the site.
        return Node.model_validate_json(to_json(written), strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        lines = problems.lines(error.errors(), Node, "the entry")
        raise LabError("\n".join(f"{SPARES} {number}: {line}" for line in lines)) from None


def complete(site: Site, spare_nodes: tuple[Node, ...]) -> Site:
    """Return the site with the spares that it does not name, every GUID and the interface name."""
    names = {node.name for node in site.nodes}
    nodes = (*site.nodes, *(node for node in spare_nodes if node.name not in names))
    fabric = site.fabric.model_copy(update={"interface": site.fabric.interface or INTERFACE})
    return site.model_copy(update={"nodes": tuple(_with_guid(node) for node in nodes), "fabric": fabric})


def _with_guid(node: Node) -> Node:
    """Derive an omitted GUID from the MAC. Shifted by 4 bits: room for a second port; never equal to a VF's GUID."""
    derived = f"b8599f0300{int(node.mac.replace(':', ''), 16) << 4 & 0xFFFFFF:06x}"
    return node.model_copy(update={"guid": node.guid or derived})
