"""The racks from the front: what is in which unit, filled from the top in the order of the configuration."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from rack.pictures.svg import GREY, INK, LINE, Picture, fitted
from rack.plan import Plan
from rack.site import Role

UNITS = 42
"""Units of a rack."""
UNIT, WIDTH, GAP, LEFT, TOP, ACROSS = 15, 172, 34, 40, 96, 12
"""Pixels of a unit, a rack and the gap between racks; place of the first rack; racks in a row."""
HEIGHTS: Mapping[str, int] = {"switch": 1, "ufm": 1, "undercloud": 1, "Controller": 1, "ComputeSriovIB": 4}
"""Units of each kind: the configuration does not say them, so they are an option of the command."""
FILLS: Mapping[str, str] = {
    "switch": "#cfe3f5", "ufm": "#d8ecd8", "undercloud": "#d8ecd8", "Controller": "#fbe3c4",
    "ComputeSriovIB": "#e6d9f2",
}  # fmt: skip


class Device(NamedTuple):
    """What fills some units."""

    name: str
    kind: str
    about: str


def draw(plan: Plan, heights: Mapping[str, int] = HEIGHTS) -> Picture:
    """Return the picture. `heights`: units of each kind of `HEIGHTS`."""
    picture = Picture(f"{plan.stack}: rack elevation")
    picture.text(LEFT, 30, f"{plan.stack}: rack elevation", size=18, bold=True)
    words = ", ".join(f"{kind} {units}U" for kind, units in heights.items())
    picture.text(LEFT, 54, f"filled in the order of the configuration; assumed: {words}", fill=GREY)
    number, unit = 0, UNITS
    _frame(picture, number)
    for device in _devices(plan):
        height = heights[device.kind]
        if unit < height:
            number, unit = number + 1, UNITS
            _frame(picture, number)
        x, y = _corner(number)
        top = y + (UNITS - unit) * UNIT
        about = f"{device.name}: rack {number + 1}, U{unit - height + 1} to U{unit}; {device.about}"
        fill = FILLS[device.kind]
        picture.rect(x, top, WIDTH, height * UNIT, fill=fill, stroke=INK, kind=f"device {device.kind}", about=about)
        picture.text(x + 8, top + height * UNIT / 2 + 4, fitted(device.name, WIDTH - 16), size=11)
        unit -= height
    return picture


def _corner(number: int) -> tuple[float, float]:
    return LEFT + number % ACROSS * (WIDTH + GAP), TOP + number // ACROSS * (UNITS * UNIT + 40)


def _frame(picture: Picture, number: int) -> None:
    x, y = _corner(number)
    picture.text(x, y - 8, f"rack {number + 1}", bold=True, fill=INK)
    picture.rect(x, y, WIDTH, UNITS * UNIT, fill="#f5f7fa", stroke=LINE, kind="rack")
    for unit in range(UNITS, 0, -6):
        picture.text(x - 5, y + (UNITS - unit) * UNIT + 11, str(unit), size=9, fill=GREY, anchor="end")


def _devices(plan: Plan) -> Iterator[Device]:
    site = plan.site
    yield Device(site.fabric.switch.name, "switch", f"{site.fabric.switch.model}, {site.fabric.switch.ports} ports")
    if site.ufm.host:
        yield Device("ufm", "ufm", str(site.ufm.address))
    yield Device("undercloud", "undercloud", str(site.undercloud.address))
    for role in Role:
        for host in plan.role(role):
            yield Device(host.name, str(role), f"{host.hostname}, {host.address}")
