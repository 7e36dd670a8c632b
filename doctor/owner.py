"""Whose host it is: the owner mark of `components/owner.py`."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from doctor.case import Case
from doctor.finding import Finding, error, ok
from onhost.questions import ShellQuestion

MARK = "/var/lib/rack/owner.json"
QUESTION = ShellQuestion("owner", f"[ ! -e {MARK} ] || cat {MARK}")
DOCS = 'see docs/operations.md, "Two stacks, one rack"'


def findings(case: Case, where: str, answer: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the owner of a host. The doctor does not know the stack's ID, so it compares the stack's name only."""
    text = str(answer["text"])
    if answer["ok"] and not text:
        yield ok(where, "no stack owns it")
        return
    try:
        mark = json.loads(text)
        whose = f"it belongs to stack {mark['stack']} of project {mark['project']}"
        whose += f" (ID {mark['id']}, since {mark['since']})"
    except (ValueError, KeyError, TypeError):
        yield error(where, f"{MARK} names no owner", DOCS)
        return
    if mark["stack"] == case.plan.stack:
        yield ok(where, whose)
    else:
        yield error(where, whose, f"use that stack, or take the rack over: {DOCS}")
