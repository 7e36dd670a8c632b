"""The rack's networks with their addresses, VLANs and PKeys, and who is on them."""

from collections.abc import Iterator
from typing import NamedTuple

from rack.pictures.fabric import of_role
from rack.pictures.svg import GREY, PALETTE, Picture
from rack.plan import Plan
from rack.site import Role
from rack.site.names import pkey

LEFT, TOP, LANE = 24, 132, 62
BOX = (220, 52)


class Lane(NamedTuple):
    """One network."""

    name: str
    tag: str
    """VLAN and PKey."""
    details: str
    members: frozenset[str]
    """Names of the boxes that are on it."""


def draw(plan: Plan) -> Picture:
    """Return the picture."""
    picture = Picture(f"{plan.stack}: networks and PKeys")
    picture.text(LEFT, 30, f"{plan.stack}: networks and PKeys", size=18, bold=True)
    boxes, lanes = list(_boxes(plan)), list(_lanes(plan))
    begin = 390
    for place, (name, text) in enumerate(boxes):
        x = begin + place * (BOX[0] + 20)
        picture.rect(x, 52, *BOX, fill="#f5f7fa", kind="member", rounded=4)
        picture.text(x + BOX[0] / 2, 73, name, anchor="middle", bold=True)
        picture.text(x + BOX[0] / 2, 92, text, anchor="middle", size=11, fill=GREY)
    right = begin + len(boxes) * (BOX[0] + 20)
    for row, lane in enumerate(lanes):
        y, colour = TOP + row * LANE + 26, PALETTE[row % len(PALETTE)]
        picture.text(LEFT, y - 12, lane.name, bold=True)
        picture.text(LEFT, y + 4, lane.tag, size=11, fill=colour, bold=True)
        picture.text(LEFT, y + 20, lane.details, size=11, fill=GREY)
        picture.line(begin - 20, y, right, y, stroke=colour, thickness=4, kind="network")
        for place, (name, _) in enumerate(boxes):
            if name in lane.members:
                _joint(picture, begin + place * (BOX[0] + 20) + 26 + row * 28, y, colour, f"{name} on {lane.name}")
    return picture


def _joint(picture: Picture, x: float, y: float, colour: str, about: str) -> None:
    picture.line(x, 52 + BOX[1], x, y, stroke=colour, thickness=2)
    picture.rect(x - 5, y - 5, 10, 10, fill=colour, stroke=colour, kind="joint", rounded=5, about=about)


def _boxes(plan: Plan) -> Iterator[tuple[str, str]]:
    yield "UFM", str(plan.site.ufm.address)
    yield "undercloud", str(plan.site.undercloud.address)
    yield "controllers", of_role(plan, Role.CONTROLLER)
    yield "computes", of_role(plan, Role.COMPUTE)
    yield "instances", f"{len(plan.site.tenant.instances)} with GPU and VF"


def _lanes(plan: Plan) -> Iterator[Lane]:
    site, nodes = plan.site, frozenset({"controllers", "computes"})
    net = site.networks.provisioning
    everyone = nodes | {"UFM", "undercloud"}
    yield Lane("Provisioning, 1GbE", "untagged", f"{net.cidr}  nodes {net.dhcp}", everyone)
    external = site.networks.external
    pool = f"{external.cidr}  {external.pool}"
    yield Lane("External, 1GbE", f"VLAN {external.vlan}", pool, frozenset({"controllers", "undercloud", "UFM"}))
    for name, control in sorted(site.networks.control.items()):
        tag = f"VLAN {control.vlan}, PKey {pkey(control.vlan)}"
        yield Lane(f"{name}, IPoIB", tag, f"{control.cidr}  {control.pool}", nodes)
    tenant = site.tenant.network
    tag = f"VLAN {tenant.vlan}, PKey {plan.tenant_pkey}"
    yield Lane(f"{tenant.name}, InfiniBand", tag, str(tenant.cidr), frozenset({"controllers", "computes", "instances"}))
