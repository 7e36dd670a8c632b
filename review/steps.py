"""What the rack's steps on hosts do: files, orders of shipped programs, and marks that only make a step run again."""

import json
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from review.preview import SECRET, Change, unknown

COMMAND = "command:remote:Command"
REPAIR = re.compile(r"^(?P<head>(?:sudo -n sh -c ')?): repair \d+\n")
"""The line of `access.repair` that makes a step run again."""
FILE = re.compile(
    r"(?:sudo -n sh -c ')?(?:: repair \d+\n)?"
    r"install (?:-D )?(?:-T )?(?:-o \S+ -g \S+ )?-m \d+ /dev/stdin (?P<path>[^\s']+)"
)
MARK = re.compile(r"^: (?:program|nodes|deployment) [0-9a-f]+$", re.MULTILINE)
"""A line without effect, which makes a step run again after what it names has changed."""
PROGRAM = re.compile(r"^(?:/opt/rack-|/home/stack/[a-z]+\.py$)")
"""Paths of the programs that the rack ships. They are no documents."""


class Step:
    """A step on a host, with what changes of it."""

    def __init__(self, change: Change) -> None:
        """Look at the change of a `command:remote:Command`."""
        self.change = change

    @cached_property
    def path(self) -> str:
        """Return the path of the file that the step writes; empty if it writes none."""
        text = self.change.new.get("create") or self.change.old.get("create") or ""
        found = FILE.match(text)
        return found["path"] if found else ""

    @property
    def ships(self) -> bool:
        """Return whether the file is one of the rack's programs."""
        return bool(PROGRAM.match(self.path))

    def texts(self) -> tuple[str, str] | None:
        """Return the file's content before and after; None if a secret or unknown value hides it."""
        texts = self.change.old.get("stdin") or "", self.change.new.get("stdin") or ""
        return None if SECRET in texts or any(map(unknown, texts)) else texts

    @cached_property
    def orders(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Return the order of the shipped program before and after; empty where there is none or it is hidden."""
        return _order(self.change.old.get("stdin")), _order(self.change.new.get("stdin"))

    @cached_property
    def repeated_only(self) -> bool:
        """Return whether the step runs again as it was: its program, its connection or an earlier step has changed."""
        change = self.change
        if change.kind != "update" or (self.path and not change.changed("create")):
            return False
        commands = [_without_marks(inputs.get("create") or "") for inputs in (change.old, change.new)]
        hidden = "stdin" in change.paths and not change.changed("stdin")  # a secret that differs
        same = not change.changed("stdin") or unknown(change.new.get("stdin"))
        return commands[0] == commands[1] and same and not hidden


def _without_marks(command: str) -> str:
    """Return a command without the lines that only make it run again. A job with a new counter is another job."""
    return MARK.sub("", REPAIR.sub(r"\g<head>", command))


def _order(text: Any) -> Mapping[str, Any]:
    if not isinstance(text, str) or not text.startswith("{"):
        return {}
    try:
        order = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return order if isinstance(order, dict) else {}
