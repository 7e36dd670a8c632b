"""Bandwidth between pairs of hosts as a heat map, from measurements in a table: from,to,gbps."""

import base64
import csv
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rack.pictures.svg import GREY, LINE, Picture, fitted

LEFT, TOP, LABEL = 24, 96, 150
NAMED = 64
"""Up to so many hosts, each pair is a cell with its number and each host has its name; more are pixels."""
MINIMUM = 190.0
"""Gb/s that a pair should have where the stack has no bandwidth test; the test's default (B6)."""
COLOURS = ((178, 24, 43), (239, 138, 98), (253, 219, 199), (209, 229, 240), (103, 169, 207), (33, 102, 172))
"""From the lowest to the highest bandwidth."""
UNKNOWN = (229, 231, 235)


class TableError(Exception):
    """The table of measurements is wrong. The text names line, column and value, and what to write."""


class Measurements(NamedTuple):
    """Bandwidth of pairs."""

    hosts: Sequence[str]
    gbps: Mapping[tuple[str, str], float]
    """Gb/s by the pair of client and server."""


def read(text: str) -> Measurements:
    """Return the measurements of a table with the columns from, to and gbps; of a repeated pair, the lowest.

    Raises:
        TableError: a line is wrong.
    """
    rows = list(csv.reader(text.splitlines(), skipinitialspace=True))
    if not rows or [cell.strip().lower() for cell in rows[0]] != ["from", "to", "gbps"]:
        raise TableError("--measurements:1: found no heading; write the columns from,to,gbps")
    found: dict[tuple[str, str], float] = {}
    for number, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        try:
            source, target, value = row[0].strip(), row[1].strip(), float(row[2])
        except (IndexError, ValueError):
            value = -1.0
        if not 0 <= value < 10000:
            raise TableError(f"--measurements:{number}: found {','.join(row)!r}; write two hosts and Gb/s")
        found[source, target] = min(value, found.get((source, target), value))
    if not found:
        raise TableError("--measurements: found no measurement; write one per line")
    return Measurements(sorted({host for pair in found for host in pair}, key=_natural), found)


def _natural(name: str) -> tuple[object, ...]:
    """Return a key that sorts compute-9 before compute-10."""
    stem = name.rstrip("0123456789")
    return (stem, int(name[len(stem) :] or 0), name)


def draw(stack: str, measured: Measurements, minimum_gbps: float) -> Picture:
    """Return the picture. Colours span from half the expected minimum to the highest value."""
    picture = Picture(f"{stack}: bandwidth")
    picture.text(LEFT, 30, f"{stack}: bandwidth between hosts, Gb/s", size=18, bold=True)
    low, high = minimum_gbps / 2, max(minimum_gbps, *measured.gbps.values())
    slow = sum(value < minimum_gbps for value in measured.gbps.values())
    words = f"{len(measured.gbps)} pairs of {len(measured.hosts)} hosts; {slow} below {minimum_gbps:g}"
    picture.text(LEFT, 54, words, fill=GREY, kind="summary")
    _legend(picture, low, high)
    if len(measured.hosts) <= NAMED:
        _cells(picture, measured, low, high)
    else:
        _pixels(picture, measured, low, high)
    return picture


def _colour(value: float | None, low: float, high: float) -> tuple[int, int, int]:
    if value is None:
        return UNKNOWN
    place = (min(max(value, low), high) - low) / (high - low or 1)
    return COLOURS[min(int(place * len(COLOURS)), len(COLOURS) - 1)]


def _legend(picture: Picture, low: float, high: float) -> None:
    for index, colour in enumerate(COLOURS):
        x = LEFT + index * 96
        picture.rect(x, 64, 14, 14, fill=_hex(colour), stroke=LINE, kind="legend")
        step = (high - low) / len(COLOURS)
        picture.text(x + 19, 76, f"{low + index * step:.0f}-{low + (index + 1) * step:.0f}", size=11)
    picture.rect(LEFT + len(COLOURS) * 96, 64, 14, 14, fill=_hex(UNKNOWN), stroke=LINE, kind="legend")
    picture.text(LEFT + len(COLOURS) * 96 + 19, 76, "not measured", size=11)


def _hex(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _cells(picture: Picture, measured: Measurements, low: float, high: float) -> None:
    side = 44 if len(measured.hosts) <= 24 else 26
    for row, source in enumerate(measured.hosts):
        y = TOP + 24 + row * side
        picture.text(LEFT, y + side / 2 + 4, fitted(source, LABEL - 8), kind="host")
        picture.text(LEFT + LABEL + row * side + side / 2, TOP + 18, str(row + 1), size=10, anchor="middle", fill=GREY)
        picture.text(LEFT + LABEL - 8, y + side / 2 + 4, str(row + 1), size=10, anchor="end", fill=GREY)
        for column, target in enumerate(measured.hosts):
            value = measured.gbps.get((source, target))
            x, fill = LEFT + LABEL + column * side, _hex(_colour(value, low, high))
            about = f"{source} to {target}: {'not measured' if value is None else f'{value:g} Gb/s'}"
            picture.rect(x, y, side - 1, side - 1, fill=fill, stroke="none", kind="pair", about=about)
            if value is not None and side == 44:
                ink = "#ffffff" if fill in (_hex(COLOURS[0]), _hex(COLOURS[-1])) else "#1f2933"
                picture.text(x + side / 2, y + side / 2 + 4, f"{value:.0f}", size=11, anchor="middle", fill=ink)


def _pixels(picture: Picture, measured: Measurements, low: float, high: float) -> None:
    """Draw one pixel per pair, enlarged, and the name of every host whose place is a multiple of a round number."""
    count = len(measured.hosts)
    side = max(1, min(4, 1600 // count))
    lines = [
        b"".join(bytes(_colour(measured.gbps.get((source, target)), low, high)) for target in measured.hosts)
        for source in measured.hosts
    ]
    data = base64.b64encode(png(count, lines)).decode()
    picture.rect(LEFT + LABEL - 1, TOP - 1, count * side + 2, count * side + 2, stroke=LINE)
    picture.image(LEFT + LABEL, TOP, count * side, count * side, f"data:image/png;base64,{data}")
    every = max(1, round(24 / side))
    for index in range(0, count, every):
        picture.text(LEFT, TOP + index * side + 10, fitted(measured.hosts[index], LABEL - 12), size=11, kind="host")
        picture.line(LEFT + LABEL - 8, TOP + index * side, LEFT + LABEL - 1, TOP + index * side)


def png(width: int, lines: Sequence[bytes]) -> bytes:
    """Return a PNG of RGB lines (ISO/IEC 15948)."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, len(lines), 8, 2, 0, 0, 0)
    content = zlib.compress(b"".join(b"\0" + line for line in lines), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", content) + chunk(b"IEND", b"")
