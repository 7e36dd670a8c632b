"""The options of `rack new`, and its error."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class NewError(Exception):
    """No file was written. The text says why and what to do."""


@dataclass(frozen=True)
class Options:
    """The command's options."""

    stack: str
    answers: Path | None = None
    settings: Sequence[str] = ()
    """PATH=VALUE of each --set."""
    nodes: Path | None = None
    from_ufm: bool = False
    ufm_fingerprint: str | None = None
    existing_ufm: bool = False
    """Whether the program does not install UFM."""
    workload: bool = True
    interactive: bool = True
