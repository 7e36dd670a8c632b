"""The differences at UFM and in OpenStack, which `pulumi refresh --preview-only` finds."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drift.finding import Finding, Severity
from review.effects import PKEY, effects
from review.preview import SECRET, Change, PreviewError, ask, parse

RESOURCES = "UFM and OpenStack"
REFRESH = "run `pulumi up --refresh`"
LONGEST = 100
"""Characters of a value that are shown."""


def resource_findings(stack: str, options: Sequence[str] = ()) -> Iterator[Finding]:
    """Yield what a refresh finds. `options`: more words for Pulumi's command."""
    try:
        preview = parse(ask(stack, refresh=True, options=options)[0])
    except PreviewError as error:
        yield _failed(str(error).splitlines()[-1])
        return
    errors = [error for error in preview.errors if error.rpartition(" ")[2] != "failed"]
    if errors:
        more = f"; {len(errors) - 1} more errors" if len(errors) > 1 else ""
        yield _failed(f"{_first(errors[0])}{more}")
    if preview.refreshed:
        yield from map(_finding, preview.changes, (effect.text for effect in effects(preview)))


def _first(error: str) -> str:
    """Return what an error found, without its advice."""
    return " ".join(error.removeprefix("error: ").removeprefix("Preview failed: ").split()).partition("; ")[0][:300]


def _failed(why: str) -> Finding:
    text = f"`pulumi refresh` fails: {why}"
    return Finding(Severity.UNKNOWN, RESOURCES, "resource", text, remedy="see docs/failures.md; then run it again")


def _finding(change: Change, text: str) -> Finding:
    place = "UFM" if change.type.startswith("ufm:") else "OpenStack"
    severity = Severity.BROKEN if change.kind == "delete" or change.type == PKEY else Severity.DRIFT
    return Finding(severity, place, "resource", text, tuple(_detail(change)), remedy=REFRESH)


def _detail(change: Change) -> Iterator[str]:
    for key in sorted(change.differing) if change.kind != "delete" else ():
        old, new = change.old.get(key), change.new.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from (f"-{name}: {_value(old[name])}" for name in sorted(old) if old[name] != new.get(name))
            yield from (f"+{name}: {_value(new[name])}" for name in sorted(new) if new[name] != old.get(name))
        else:
            yield f"-{key}: {_value(old)}"
            yield f"+{key}: {_value(new)}"


def _value(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return SECRET if SECRET in text else text[:LONGEST]
