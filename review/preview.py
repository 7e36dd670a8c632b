"""Runs `pulumi preview --json` or `pulumi refresh --preview-only --json`, and reads the output as typed changes.

The engine prints one step per operation. A replacement is up to three steps of one resource; here it is one change. A
secret is the text `[secret]`, and a value that only the deployment will know is one of the engine's marks; both are
kept as they are (pulumi/pkg: backend/display/json.go, resource/plugin/rpc.go).
"""

import json
import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

SECRET = "[secret]"  # noqa: S105 - the mark of one, not one
"""What the engine prints in place of a secret."""
UNKNOWNS = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
"""The engine's marks of unknown values, by type."""

Kind = Literal["create", "update", "replace", "delete", "import", "forget"]
"""What happens to a resource. `forget`: it leaves the state and stays as it is."""

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "create": "create",
        "update": "update",
        "delete": "delete",
        "replace": "replace",
        "create-replacement": "replace",
        "delete-replaced": "replace",
        "import": "import",
        "import-replacement": "import",
        "discard": "forget",
        "discard-replaced": "replace",
        "remove-pending-replace": "replace",
    }
)
"""The engine's operation → what it means for the resource. Others, like `same`, change nothing."""


class PreviewError(Exception):
    """The text is not the JSON of a preview, or the preview failed. The text says what was found."""


@dataclass(frozen=True)
class Change:
    """What happens to one resource."""

    kind: Kind
    urn: str
    type: str
    """Pulumi's type token: ufm:index:PKey."""
    name: str
    component: str
    """Type token of the component that contains it; empty at the top level."""
    old: Mapping[str, Any]
    """The inputs in the state; empty for a create."""
    new: Mapping[str, Any]
    """The inputs of the program; of a refresh, what was found; empty for a delete."""
    reasons: tuple[str, ...]
    """The properties whose change replaces the resource."""
    paths: frozenset[str]
    """The properties that the provider found to differ, at the top level. Contains secrets that differ."""
    protected: bool = False
    """The engine refuses to delete or replace it."""

    @property
    def compared(self) -> bool:
        """Return whether the engine compared it: it does not while its provider's inputs are unknown.

        UFM's provider names no paths; its inputs are complete, so a difference in them is one.
        """
        return self.kind != "update" or bool(self.paths) or (self.type.startswith("ufm:") and bool(self.differing))

    @property
    def differing(self) -> frozenset[str]:
        """Return the properties that differ, as the provider found or as the texts show."""
        keys = {*self.old, *self.new}
        return self.paths or frozenset(key for key in keys if self.changed(key) and not unknown(self.new.get(key)))

    def changed(self, key: str) -> bool:
        """Return whether an input differs, as far as the text shows. Two secrets are equal here: see `paths`."""
        return bool(self.old.get(key) != self.new.get(key))


@dataclass(frozen=True)
class Preview:
    """A whole preview."""

    changes: tuple[Change, ...]
    unchanged: int
    """Number of resources that stay as they are."""
    errors: tuple[str, ...]
    """Errors of the program and of providers: the preview failed, and is not complete."""
    warnings: tuple[str, ...]
    """Warnings, each once."""
    notes: tuple[str, ...]
    """Informational messages that a provider attached to a resource, like PKeys that would be adopted."""
    refreshed: bool
    """It is the preview of a refresh: `new` is what was found, and nothing is written."""

    def of(self, *types: str) -> tuple[Change, ...]:
        """Return the changes of resources of these types."""
        return tuple(change for change in self.changes if change.type in types)

    def named(self, name: str) -> Change | None:
        """Return the change of the resource with this name, if it changes."""
        return next((change for change in self.changes if change.name == name), None)


def unknown(value: Any) -> bool:
    """Return whether only the deployment will know the value."""
    return isinstance(value, str) and any(mark in value for mark in UNKNOWNS)


def ask(stack: str, *, refresh: bool = False, options: Sequence[str] = ()) -> tuple[str, bool]:
    """Run a preview, or the preview of a refresh, and return the JSON and whether it failed; nothing is written.

    The JSON of a failed preview contains its errors. `options`: more words for the command.

    Raises:
        PreviewError: there is no pulumi, or it failed without JSON; the text has what it reports.
    """
    words = ["refresh", "--preview-only"] if refresh else ["preview"]
    command = ["pulumi", *words, "--json", "--non-interactive", "--stack", stack, *options]
    try:
        # `pulumi` refuses a refresh that only previews together with a confirmation given in advance.
        env = {name: value for name, value in os.environ.items() if name != "PULUMI_SKIP_CONFIRMATIONS"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words and a stack's name
    except FileNotFoundError:
        raise PreviewError('found no `pulumi` on PATH; run: eval "$(make -s env)"') from None
    if done.returncode and not done.stdout.lstrip().startswith("{"):
        raise PreviewError(f"{' '.join(command)} printed no preview: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout, bool(done.returncode)


def parse(text: str) -> Preview:
    """Read the JSON of a preview.

    Raises:
        PreviewError: it is none.
    """
    try:
        digest = json.loads(text)
    except json.JSONDecodeError as error:
        raise PreviewError(f"found no JSON in the preview: {error}; run `pulumi preview --json`") from None
    if not isinstance(digest, dict) or not {"steps", "changeSummary", "duration", "config"} & digest.keys():
        raise PreviewError("the JSON is not that of a preview; run `pulumi preview --json`, without --event-log")
    steps = digest.get("steps") or []
    said = digest.get("diagnostics") or []
    refreshed = any(step["op"] == "refresh" for step in steps)
    return Preview(
        changes=_changes(steps, refreshed),
        unchanged=(digest.get("changeSummary") or {}).get("same", 0),
        errors=_distinct(said, "error"),
        warnings=_distinct(said, "warning"),
        notes=_distinct(said, "info"),
        refreshed=refreshed,
    )


def _distinct(said: Iterable[Mapping[str, Any]], severity: str) -> tuple[str, ...]:
    texts = (message["message"].strip() for message in said if message.get("severity") == severity)
    return tuple(dict.fromkeys(text for text in texts if text))


def _changes(steps: Iterable[Mapping[str, Any]], refreshed: bool) -> tuple[Change, ...]:
    """Return one change per resource, in the engine's order, without the stack and the providers themselves."""
    found: dict[str, Change] = {}
    for step in steps:
        kind = KINDS.get(step["op"])
        change = _change(kind, step, "outputs" if refreshed else "inputs") if kind else None
        if change is None or change.type.startswith("pulumi:"):
            continue
        earlier = found.get(change.urn)
        found[change.urn] = _joined(earlier, change) if earlier else change
    return tuple(found.values())


def _change(kind: Kind, step: Mapping[str, Any], properties: str) -> Change:
    old, new = step.get("oldState") or {}, step.get("newState") or {}
    types, _, name = step["urn"].rpartition("::")
    chain = types.rpartition("::")[2].split("$")
    differing = step.get("detailedDiff") or step.get("diffReasons") or ()
    return Change(
        kind=kind,
        urn=step["urn"],
        type=chain[-1],
        name=name,
        component=chain[-2] if len(chain) > 1 else "",
        old=old.get(properties) or {},
        new=new.get(properties) or {},
        reasons=tuple(step.get("replaceReasons") or ()),
        paths=frozenset(re.split(r"[.\[]", path)[0] for path in differing),
        protected=bool(old.get("protect")),
    )


def _joined(first: Change, second: Change) -> Change:
    """Return the replacement that two steps of one resource make."""
    return replace(
        first,
        kind="replace",
        old=first.old or second.old,
        new=first.new or second.new,
        reasons=first.reasons or second.reasons,
        paths=first.paths | second.paths,
    )
