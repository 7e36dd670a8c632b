"""UFM's access tokens. UFM gives a token no name, so one is recognised by its user and its time of issue.

An unrecorded token is revoked, never imported: only the lost answer contained it, so no client uses it.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from providers.ufm.client import Client
from providers.ufm.provider import Settings
from providers.ufm.token import REQUESTED
from recovery.decide import TOKEN, Clear
from recovery.state import Operation, Resource, State, decrypted

PROVIDER = "pulumi:providers:ufm"
EARLY, LATE = 5.0, 600.0
"""A token of a create was issued at most so many seconds before, or after, the time in the create's inputs."""


@dataclass(frozen=True)
class Revoke:
    """Revoke a token that the state does not have."""

    resource: str
    user: str
    issued: float
    token: str = field(repr=False)

    def __str__(self) -> str:
        at = datetime.fromtimestamp(self.issued, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        why = "the answer to its creation was lost"
        return f"revoke   access token of {self.user} at UFM, issued {at}, of {self.resource}: {why}"


@dataclass(frozen=True)
class Ambiguous:
    """More tokens than lost answers."""

    resource: str
    user: str
    count: int

    def __str__(self) -> str:
        fix = "revoke them in UFM (Settings, Access Tokens) if no client uses them"
        return (
            f"left     {self.count} access tokens of {self.user} at UFM, one of them may be of {self.resource}: {fix}"
        )


def client_of(state: State) -> Client | None:
    """Return a client for the UFM of a state that was exported with its secrets; None if it has no UFM."""
    provider = next(state.of(PROVIDER), None)
    return Settings.of(_open(provider)).client(pauses=(1, 2)) if provider else None


def _open(provider: Resource) -> dict[str, Any]:
    """Return the inputs of a provider as the plugin gets them: the engine sends numbers and truths as text."""
    found = {key: decrypted(value) for key, value in provider.inputs.items()}
    for key, read in (("port", int), ("insecure", lambda text: text == "true")):
        if isinstance(found.get(key), str):
            found[key] = read(found[key])
    return found


def pending(state: State) -> tuple[Operation, ...]:
    """Return the creates of tokens whose answer was lost."""
    return tuple(op for op in state.operations if op.type == "creating" and op.resource.type == TOKEN)


def decide(state: State, client: Client) -> Iterator[Revoke | Ambiguous | Clear]:
    """Yield what to do with the pending creates of tokens. `state`: with its secrets."""
    operations = pending(state)
    recorded = {decrypted(r.outputs.get("token")) for r in state.of(TOKEN)}
    skew = (client.clock() or time.time()) - time.time()
    ours = [token for token in _valid(client) if token["access_token"] not in recorded]
    ours = [token for token in ours if any(_fits(op, float(token.get("issued_at") or 0), skew) for op in operations)]
    name = operations[-1].resource.name
    if len(ours) > len(operations):
        yield Ambiguous(name, client.user, len(ours))
        return
    yield from (Revoke(name, client.user, float(each["issued_at"]), each["access_token"]) for each in ours)
    if not ours:
        yield from (Clear(op, "UFM has no such token") for op in operations)


def _valid(client: Client) -> Sequence[dict[str, Any]]:
    return [token for token in client.tokens() if not token.get("revoked") and token.get("access_token")]


def _fits(operation: Operation, issued: float, skew: float) -> bool:
    """Tell whether the create may have issued a token at this time of UFM's clock, which is `skew` ahead of ours."""
    requested = operation.resource.inputs.get(REQUESTED)
    if not isinstance(requested, int | float):
        return False
    return -EARLY <= issued - skew - requested <= LATE
