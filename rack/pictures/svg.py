"""A picture: shapes and texts, written as SVG."""

from collections.abc import Mapping
from html import escape

FONT = 12
"""Size of texts in pixels."""
CHARACTER = 0.6
"""Width of a character of the fixed-width font, as a share of its size."""
INK, GREY, LINE, PAPER = "#1f2933", "#52606d", "#9aa5b1", "#ffffff"
PALETTE = ("#0b6e99", "#d9730d", "#2f7d32", "#8e44ad", "#b03a2e", "#7d6608", "#00897b", "#ad1457")
"""Colours that people with red-green blindness tell apart by their lightness too."""


def width_of(text: str, size: float = FONT) -> float:
    """Return the width of a text in pixels."""
    return len(text) * size * CHARACTER


def fitted(text: str, width: float, size: float = FONT) -> str:
    """Return the text, or its beginning with an ellipsis, within a width in pixels."""
    most = max(1, int(width / (size * CHARACTER)))
    return text if len(text) <= most else f"{text[: most - 1]}…"


class Picture:
    """A picture of a size in pixels. Shapes appear in the order in which they are drawn."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._parts: list[str] = []
        self._size = [0.0, 0.0]

    def rect(
        self, x: float, y: float, width: float, height: float, *, fill: str = PAPER, stroke: str = LINE,
        kind: str = "", about: str = "", rounded: float = 0,
    ) -> None:  # fmt: skip
        """Draw a rectangle. `kind` is its class, `about` the text that a browser shows over it."""
        shape = {"x": x, "y": y, "width": width, "height": height, "rx": rounded, "fill": fill, "stroke": stroke}
        self._add("rect", {"class": kind, **shape}, f"<title>{escape(about)}</title>" if about else "")
        self._reach(x + width, y + height)

    def text(
        self, x: float, y: float, text: str, *, size: float = FONT, fill: str = INK, anchor: str = "start",
        kind: str = "", bold: bool = False,
    ) -> None:  # fmt: skip
        """Draw a text whose baseline starts, is centred or ends at a point."""
        look = {"x": x, "y": y, "font-size": size, "fill": fill, "text-anchor": anchor}
        self._add("text", {"class": kind, **look, "font-weight": "bold" if bold else ""}, escape(text))
        left = {"start": x, "middle": x - width_of(text, size) / 2, "end": x - width_of(text, size)}[anchor]
        self._reach(left + width_of(text, size), y + size / 3)

    def line(
        self, x1: float, y1: float, x2: float, y2: float, *, stroke: str = LINE, thickness: float = 1, kind: str = "",
        arrow: bool = False,
    ) -> None:  # fmt: skip
        """Draw a line, with an arrow at its end if asked."""
        shape = {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "stroke": stroke, "stroke-width": thickness}
        self._add("line", {"class": kind, **shape, "marker-end": "url(#arrow)" if arrow else ""})
        self._reach(max(x1, x2), max(y1, y2))

    def image(self, x: float, y: float, width: float, height: float, data: str) -> None:
        """Draw an image of pixels, scaled without smoothing."""
        shape = {"x": x, "y": y, "width": width, "height": height, "href": data, "style": "image-rendering:pixelated"}
        self._add("image", {**shape, "preserveAspectRatio": "none"})
        self._reach(x + width, y + height)

    def _add(self, name: str, attributes: Mapping[str, object], inner: str = "") -> None:
        words = "".join(f' {key}="{_written(value)}"' for key, value in attributes.items() if value not in ("", 0.0))
        self._parts.append(f"<{name}{words}>{inner}</{name}>" if inner else f"<{name}{words}/>")

    def _reach(self, x: float, y: float) -> None:
        self._size = [max(self._size[0], x), max(self._size[1], y)]

    def svg(self) -> str:
        """Return the picture as SVG."""
        width, height = (_written(round(one + 16)) for one in self._size)
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" role="img">'
        )
        arrow = (
            '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
            f'orient="auto"><path d="M0 0 8 4 0 8z" fill="{GREY}"/></marker></defs>'
        )
        paper = f'<rect width="{width}" height="{height}" fill="{PAPER}"/>'
        title = f"<title>{escape(self._title)}</title>"
        return "\n".join([head, title, arrow, paper, *self._parts, "</svg>", ""])


def _written(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else escape(str(value))
