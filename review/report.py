"""A preview as a report: interruptions, then the changes by subject, then what a preview cannot know."""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from review.effects import (
    CHECK,
    LEAVERS,
    NOUNS,
    OPENSTACK,
    PKEY,
    VM,
    WAVES,
    Effect,
    effects,
    interrupts,
    names_in,
    pkey_title,
    settings,
    titled,
)
from review.preview import SECRET, Change, Preview, unknown
from review.steps import COMMAND, Step

SIGNS = {"create": "+", "update": "~", "replace": "±", "delete": "-", "import": "=", "forget": "x"}
LATER = "known after `up`"
LOCAL = "command:local:Command"
LONGEST = 100
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class DocumentChange:
    """A file on a host that changes."""

    path: str
    diff: tuple[str, ...]
    """Lines of a unified diff; empty where a secret or unknown value hides the content."""
    hidden: str = ""
    """Why there is no diff."""


@dataclass(frozen=True)
class Section:
    """Lines about one subject."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """Everything that is shown of a preview."""

    stack: str
    refreshed: bool
    effects: tuple[Effect, ...]
    sections: tuple[Section, ...]
    documents: tuple[DocumentChange, ...]
    repeated: tuple[str, ...]
    """Steps that run again as they are."""
    unknown: tuple[str, ...]
    """What the preview cannot know."""
    errors: tuple[str, ...]
    """The preview failed: the rest is not complete."""
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    counts: Mapping[str, int]
    """Number of resources by kind of change; `unchanged` includes those that do not change."""


def report(preview: Preview, stack: str, masked: Mapping[str, tuple[str, str]] = {}) -> Report:
    """Return the report of a preview.

    Args:
        preview: the preview.
        stack: the stack's name.
        masked: path of a document with a secret → its text before and after, with placeholders for secrets.
    """
    preview = replace(preview, changes=tuple(sorted(preview.changes, key=_order)))
    steps = [Step(change) for change in preview.changes if change.type == COMMAND and change.compared]
    documents = [] if preview.refreshed else list(_documents(steps, masked))
    counts = {kind: sum(change.kind == kind for change in preview.changes if change.compared) for kind in SIGNS}
    waiting = [change for change in preview.changes if not change.compared]
    return Report(
        stack=stack,
        refreshed=preview.refreshed,
        effects=effects(preview),
        sections=tuple(section for section in _sections(preview, steps) if section.lines),
        documents=tuple(document for document in documents if document.diff or document.hidden),
        repeated=tuple(step.change.name for step in steps if step.repeated_only and not interrupts(step)),
        unknown=tuple(_unknown(preview, waiting)),
        errors=preview.errors,
        warnings=tuple(message for message in preview.warnings if PROVIDER_WARNING not in message),
        notes=preview.notes,
        counts={**{kind: count for kind, count in counts.items() if count}, "unchanged": preview.unchanged},
    )


COMPONENTS = (
    "Owner", "UfmHost", "Undercloud", "Introspection", "Fabric", "Gate", "Overcloud", "Firmware", "GuestImages",
    "Tenant", "ExternalAccess", "Bandwidth", "Protection",
)  # fmt: skip
"""In the order of the guide, in which the report lists resources. The engine reports them in the order of its work."""


def _order(change: Change) -> tuple[int, str, list[str | int]]:
    component = change.component.rpartition(":")[2]
    place = COMPONENTS.index(component) if component in COMPONENTS else len(COMPONENTS)
    kind = change.type if change.type.startswith(OPENSTACK) else ""
    name = str(change.new.get("pkey") or change.old.get("pkey") or change.name) if change.type == PKEY else change.name
    return place, kind, [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


PROVIDER_WARNING = "The provider for this resource has inputs that are not known during preview"
"""The engine says this once per resource; the report says it once."""


def _sections(preview: Preview, steps: list[Step]) -> Iterator[Section]:
    changes = [change for change in preview.changes if change.compared]
    yield Section("PKeys", tuple(line for c in changes if c.type in (PKEY, CHECK) for line in _pkey(c)))
    yield Section("Nodes", tuple(_nodes(steps)))
    waves = [step for step in steps if step.change.name.startswith(WAVES) and not step.repeated_only]
    yield Section("Firmware waves", tuple(line for step in waves for line in _wave(step)))
    yield Section("VMs", tuple(_object(c) for c in changes if c.type == VM))
    cloud = [c for c in changes if c.type.startswith(OPENSTACK) and c.type != VM]
    yield Section("Cloud", tuple(_object(c) for c in cloud))
    rest = [c for c in changes if c.type.startswith(("ufm:", LOCAL)) and c.type not in (PKEY, CHECK)]
    yield Section("UFM and this machine", tuple(_object(c) for c in rest))
    others = [step for step in steps if not step.path and not step.repeated_only and step not in waves]
    yield Section("Steps on hosts", tuple(map(_step, others)))
    yield Section("Programs", tuple(f"{SIGNS[s.change.kind]} {s.path}" for s in steps if s.ships and _touched(s)))


def _touched(step: Step) -> bool:
    return step.change.kind != "update" or step.change.changed("stdin") or step.change.changed("create")


def _pkey(change: Change) -> Iterator[str]:
    before, after = change.old.get("members") or {}, change.new.get("members") or {}
    yield f"{SIGNS[change.kind]} {pkey_title(change)}{_settings_of(change, 'members')}"
    if not isinstance(after, Mapping):
        yield f"    members: {LATER}"
        return
    hosts = sorted({*before, *after})
    for name in hosts:
        old, new = before.get(name), after.get(name)
        if old and not new:
            yield f"    - {name}: {old}"
        elif new and not old:
            yield f"    + {name}: {_value(new)}"
        elif new != old:
            yield f"    ~ {name}: {old} → {_value(new)}"


def _nodes(steps: list[Step]) -> Iterator[str]:
    """Nodes that are added or removed, from the order of the undercloud's scale-in step, which lists all."""
    for step in steps:
        if step.change.name != LEAVERS:
            continue
        before, after = (order.get("nodes") or {} for order in step.orders)
        if step.change.kind == "update" and not after:
            return
        for name in {**before, **after}:
            if name not in before:
                yield f"+ {name}: {after[name]['role']}, {after[name]['host']}"
            elif name not in after:
                yield f"- {name}: {before[name]['role']}, {before[name]['host']}"
            elif before[name] != after[name]:
                yield f"~ {name}: {before[name]['host']} → {after[name]['host']}"


def _wave(step: Step) -> Iterator[str]:
    change = step.change
    before, after = step.orders
    names = ", ".join(names_in(after) or names_in(before))
    what = "; ".join(settings(before, after)) if before and after else ""
    yield f"{SIGNS[change.kind]} {change.name.partition('-')[2]}: {names or LATER}{': ' + what if what else ''}"


def _object(change: Change) -> str:
    return f"{SIGNS[change.kind]} {titled(change)}{_settings_of(change)}"


def _settings_of(change: Change, *without: str) -> str:
    """Return what changes of a resource, in brackets: `(mtu 1500 → 2044)`."""
    if change.kind not in ("update", "replace"):
        return ""
    keys = sorted(key for key in change.differing or change.reasons if key not in without and not key.startswith("__"))
    if change.type == LOCAL:
        return f" ({', '.join(key for key in keys if key != 'update')})"
    return f" ({', '.join(f'{key} {_pair(change, key)}' for key in keys)})" if keys else ""


def _pair(change: Change, key: str) -> str:
    old, new = change.old.get(key), change.new.get(key)
    if SECRET in (old, new):
        return SECRET
    return f"{_value(old)} → {_value(new)}"


def _value(value: Any) -> str:
    text = "nothing" if value is None else str(_plain(value))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _plain(value: Any) -> Any:
    """Return the value without the marks of the bridge, and with words for the engine's marks."""
    if unknown(value):
        return LATER
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items() if not key.startswith("__")}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _step(step: Step) -> str:
    change = step.change
    inputs = sorted(key for key in change.paths if key not in ("update", "connection", "logging"))
    return f"{SIGNS[change.kind]} {change.name}{': ' + ', '.join(inputs) if change.kind == 'update' and inputs else ''}"


def _documents(steps: list[Step], masked: Mapping[str, tuple[str, str]]) -> Iterator[DocumentChange]:
    for step in steps:
        if not step.path or step.ships:
            continue
        change = step.change
        texts = step.texts() or masked.get(step.path)
        diff = tuple(unified(*texts)) if texts else ()
        if diff or (change.kind == "update" and "stdin" not in change.paths):
            yield DocumentChange(step.path, diff)
        else:
            yield DocumentChange(step.path, (), _hidden(change, texts is not None))


def _hidden(change: Change, compared: bool) -> str:
    """Return why a document that changes has no diff."""
    if compared:
        return "only the secret in it changes"
    if SECRET in (change.old.get("stdin"), change.new.get("stdin")):
        return "it contains a secret; --base FILE, the stack file before, shows its other lines"
    return "its content follows from earlier steps"


def unified(before: str, after: str) -> Iterator[str]:
    """Yield the lines of a unified diff, without the file names and without the rack's own header line."""
    old, new = (
        [line for line in text.splitlines() if not line.startswith("# rack: stack ")] for text in (before, after)
    )
    yield from list(difflib.unified_diff(old, new, lineterm=""))[2:]


def _unknown(preview: Preview, waiting: list[Change]) -> Iterator[str]:
    if waiting:
        names = ", ".join(sorted({NOUNS.get(c.type.rpartition(":")[2], c.name) + "s" for c in waiting}))
        yield f"{len(waiting)} resources were not compared, because their provider's login is read again: {names}"
    for change in preview.changes:
        keys = sorted(key for key, value in change.new.items() if _anywhere(value))
        if keys and change.compared and change.kind != "delete":
            yield f"{change.name}: {', '.join(keys)}"


def _anywhere(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_anywhere, value.values()))
    return any(map(_anywhere, value)) if isinstance(value, list) else unknown(value)
