"""`rack draw`: writes one picture of a stack."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rack.pictures import components, elevation, fabric, heat, networks
from rack.pictures.svg import Picture
from rack.plan import Plan

KINDS = ("fabric", "networks", "elevation", "components", "bandwidth")
"""Pictures that the command draws."""


class DrawError(Exception):
    """Nothing was drawn. The text says what was found and what to write."""


def draw(kind: str, plan: Plan, source: str | None, heights: Sequence[str]) -> Picture:
    """Return a picture.

    Args:
        kind: one of KINDS.
        plan: the stack.
        source: file with the state or the measurements, for the kinds that need one; - for standard input.
        heights: KIND=UNITS of each --height.

    Raises:
        DrawError: a file is missing or wrong.
    """
    if kind == "fabric":
        return fabric.draw(plan)
    if kind == "networks":
        return networks.draw(plan)
    if kind == "elevation":
        return elevation.draw(plan, {**elevation.HEIGHTS, **dict(map(_height, heights))})
    option = "--state" if kind == "components" else "--measurements"
    if source is None:
        raise DrawError(f"{kind}: found no {option}; write {option} FILE, or {option} - for standard input")
    text = _text(option, source)
    try:
        if kind == "components":
            return components.draw(plan.stack, components.read(text))
        minimum = plan.site.bandwidth.minimum_gbps if plan.site.bandwidth else heat.MINIMUM
        return heat.draw(plan.stack, heat.read(text), minimum)
    except (components.StateError, heat.TableError) as error:
        raise DrawError(str(error)) from None


def _height(text: str) -> tuple[str, int]:
    kind, _, units = text.partition("=")
    if kind not in elevation.HEIGHTS or not units.isdigit() or not 1 <= int(units) <= elevation.UNITS:
        kinds = ", ".join(elevation.HEIGHTS)
        raise DrawError(f"--height: found {text!r}; write KIND=UNITS, with one of {kinds} and 1 to {elevation.UNITS}")
    return kind, int(units)


def _text(option: str, source: str) -> str:
    try:
        return sys.stdin.read() if source == "-" else Path(source).read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise DrawError(f"{option}: cannot read {source}: {reason}; write the path of a file") from None
