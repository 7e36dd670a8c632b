"""`python -m rack status`: an overview for a terminal, or as JSON."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from drift.command import Options, looked_at
from drift.finding import Severity
from drift.report import BOLD, GREEN, PLAIN, RED, YELLOW
from status.overview import ComputeState, Overview, overview


def run(stack: str, *, as_json: bool = False, config_file: Path | None = None) -> int:
    """Print the overview and return 0: it is no check (see `rack drift`).

    Raises:
        StateError: the stack's state cannot be read.
        ConfigError: the stack's file is invalid.
        OSError: it cannot be read.
    """
    options = Options(stack, "terminal", Severity.DRIFT, repair=False, config_file=config_file)
    found = overview(looked_at(options, instances=True))
    print(as_text(found) if as_json else terminal(found, coloured=sys.stdout.isatty()), end="")
    return 0


def as_text(found: Overview) -> str:
    """Return the overview as JSON."""
    return json.dumps(asdict(found), indent=2, ensure_ascii=False) + "\n"


def terminal(found: Overview, *, coloured: bool) -> str:
    """Return the overview as text."""
    text = "\n".join(_lines(found)) + "\n"
    for code in () if coloured else (BOLD, RED, GREEN, YELLOW, PLAIN):
        text = text.replace(code, "")
    return text


def _lines(found: Overview) -> Iterator[str]:
    colour = RED if found.counts["broken"] else YELLOW if any(found.counts.values()) else GREEN
    yield f"{BOLD}{found.stack}{PLAIN}  UFM {found.ufm}; {colour}{found.drift.partition(';')[0]}{PLAIN}"
    yield from _table("Hosts", [(h.name, h.role, _marked(h.state, h.state.startswith("up")), _count(h.findings))
                                for h in found.hosts])  # fmt: skip
    yield from _table("PKeys", [(p.network, p.members, _marked(p.differs, False)) for p in found.pkeys])
    yield from _table("Computes", [(c.name, _marked(c.service, c.service == "enabled, up"), _gpus(c),
                                    ", ".join(c.instances) or "no instances") for c in found.computes])  # fmt: skip
    yield from _table("Checks of the last up", [(c.name, c.result, c.at) for c in found.checks])


def _marked(text: str, good: bool) -> str:
    return f"{GREEN if good else RED}{text}{PLAIN}" if text else ""


def _count(number: int) -> str:
    return f"{YELLOW}{number} difference{'' if number == 1 else 's'}{PLAIN}" if number else ""


def _gpus(compute: ComputeState) -> str:
    if compute.gpus is None:
        return "GPUs unknown"
    return f"{'?' if compute.free is None else compute.free} of {compute.gpus} GPUs free"


def _plain(text: str) -> str:
    for code in (BOLD, RED, GREEN, YELLOW, PLAIN):
        text = text.replace(code, "")
    return text


def _table(title: str, rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield the rows in columns; colours have no width."""
    if not rows:
        return
    widths = [max(len(_plain(row[column])) for row in rows) for column in range(len(rows[0]))]
    yield ""
    yield f"{BOLD}{title}{PLAIN}"
    for row in rows:
        cells = (f"{cell}{' ' * (width - len(_plain(cell)))}" for cell, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(cells)}".rstrip()
