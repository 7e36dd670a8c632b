"""The InfiniBand fabric: the switch and its hosts, coloured by the PKeys of which their ports are members."""

from collections.abc import Mapping
from math import ceil, sqrt

from rack.pictures.svg import GREY, LINE, PALETTE, Picture, fitted
from rack.plan import Plan
from rack.site import Role

CELL = (152, 30)
"""Size of a host in pixels."""
GAP, LEFT, BAND = 6, 24, 7
CABLES = 8
"""Up to so many hosts are in one row, with a line to the switch; more have its port's number only."""


def draw(plan: Plan) -> Picture:
    """Return the picture."""
    pkeys = members(plan)
    colours = dict(zip(pkeys, PALETTE, strict=False))
    picture = Picture(f"{plan.stack}: fabric")
    picture.text(LEFT, 30, f"{plan.stack}: InfiniBand fabric", size=18, bold=True)
    _legend(picture, plan, pkeys, colours)
    hosts = [*(["ufm"] if plan.site.ufm.host else []), *(host.name for host in plan.hosts)]
    few = len(hosts) <= CABLES
    columns = max(4, len(hosts)) if few else max(8, min(20, ceil(sqrt(len(hosts) / 2))))
    width = columns * (CELL[0] + GAP) - GAP
    switch = plan.site.fabric.switch
    picture.rect(LEFT, 88, width, 34, fill="#e4e7eb", kind="switch", rounded=4, about=f"system GUID {switch.guid}")
    picture.text(LEFT + 12, 110, f"{switch.name}  {switch.model}  {len(hosts)} of {switch.ports} ports", bold=True)
    top = 122 + (40 if few else 14)
    for index, host in enumerate(hosts):
        x, y = LEFT + index % columns * (CELL[0] + GAP), top + index // columns * (CELL[1] + GAP)
        if few:
            picture.line(x + CELL[0] / 2, 122, x + CELL[0] / 2, y, kind="cable")
        _host(picture, x, y, index + 1, host, [pkey for pkey, of in pkeys.items() if host in of], colours)
    return picture


def members(plan: Plan) -> dict[str, frozenset[str]]:
    """Return the hosts in each PKey: all nodes in a control network's, computes with instances in the tenant's."""
    everyone = frozenset(host.name for host in plan.hosts)
    found = {control.pkey: everyone for control in plan.control_pkeys}
    computes = {host.name for host in plan.computes}
    return {**found, plan.tenant_pkey: frozenset(vm.compute for vm in plan.site.tenant.instances) & computes}


def _legend(picture: Picture, plan: Plan, pkeys: Mapping[str, frozenset[str]], colours: Mapping[str, str]) -> None:
    names = {control.pkey: control.network for control in plan.control_pkeys}
    names[plan.tenant_pkey] = f"{plan.site.tenant.network.name}, with instances"
    x = float(LEFT)
    for pkey, of in pkeys.items():
        text = f"{pkey} {names[pkey]}: {len(of)} hosts"
        picture.rect(x, 52, 14, 14, fill=colours[pkey], stroke=colours[pkey], kind="legend")
        picture.text(x + 20, 64, text)
        x += 20 + len(text) * 7.2 + 24


def _host(
    picture: Picture, x: float, y: float, port: int, host: str, pkeys: list[str], colours: Mapping[str, str]
) -> None:
    about = f"{host}, switch port {port}; PKeys: {', '.join(pkeys) or 'none'}"
    picture.rect(x, y, *CELL, fill="#f5f7fa", stroke=LINE, kind="host", about=about, rounded=3)
    for place, pkey in enumerate(colours):
        if pkey in pkeys:
            step = CELL[0] / len(colours)
            left, top = x + place * step, y + CELL[1] - BAND
            picture.rect(left, top, step - 1, BAND, fill=colours[pkey], stroke="none", kind=f"pkey-{pkey}")
    picture.text(x + 6, y + 16, fitted(host, CELL[0] - 44))
    picture.text(x + CELL[0] - 6, y + 15, str(port), size=10, fill=GREY, anchor="end")


def of_role(plan: Plan, role: Role) -> str:
    """Return a role's nodes in words: their name, or number and first and last name."""
    names = [host.name for host in plan.role(role)]
    return names[0] if len(names) == 1 else f"{len(names)}: {names[0]} … {names[-1]}" if names else "none"
