"""Faults in rendered documents: each edits one file, and names what a check must report."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import yamls
from tests.rack.sites import steps

Edit = Callable[[str], str]


def text(old: str, new: str) -> Edit:
    """Return an edit that replaces the first occurrence of a text, which must be there."""

    def edit(written: str) -> str:
        assert old in written, old
        return written.replace(old, new, 1)

    return edit


def _edited(written: str, path: str, change: Callable[[Any, str | int], None]) -> str:
    document = yamls.load(written)
    *above, last = steps(path)
    here = document
    for step in above:
        here = here[step]
    change(here, last)
    return json.dumps(document) if written.lstrip().startswith("{") else yamls.dump(document, sort_keys=False)


def put(path: str, value: Any) -> Edit:
    """Return an edit that sets the value at a path."""
    return lambda written: _edited(written, path, lambda here, last: here.__setitem__(last, value))


def drop(path: str) -> Edit:
    """Return an edit that removes a key."""
    return lambda written: _edited(written, path, lambda here, last: here.__delitem__(last))


def rename(path: str, name: str) -> Edit:
    """Return an edit that gives a key another name."""
    return lambda written: _edited(written, path, lambda here, last: here.__setitem__(name, here.pop(last)))


@dataclass(frozen=True)
class Fault:
    """One fault in one document."""

    name: str
    by: str
    """The check that must find it: a key of rack.wallaby.checks.CHECKS, or `own` for rack.tripleo.check."""
    file: str
    edit: Edit
    text: str
    """What a finding must contain, beside the file's name."""

    def make(self, home: Path) -> None:
        """Edit the file in a folder of rendered documents."""
        path = home / self.file
        path.write_text(self.edit(path.read_text()))

    def is_in(self, found: Sequence[str]) -> bool:
        """Return whether a finding reports the fault. Heat names no file, so its faults are reported for deploy.sh."""
        return any(line.partition(": ")[0].startswith((self.file, "deploy.sh")) and self.text in line for line in found)
