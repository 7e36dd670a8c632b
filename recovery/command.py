"""Show what is to be done, ask, and do it."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cloud.client import CloudError, wait
from cloud.kinds import BY_TYPE, KINDS, CloudObject
from providers.ufm.errors import UfmError
from recovery import decide, tokens
from recovery.cloud import api_of
from recovery.decide import Clear, Delete, Import, Leave, Refresh
from recovery.pulumi import Pulumi, PulumiError
from recovery.question import agreed
from recovery.state import State
from recovery.tokens import Ambiguous, Revoke


@dataclass(frozen=True)
class Unlock:
    """Remove the lock of a process that has ended."""

    pid: int

    def __str__(self) -> str:
        return f"unlock   the stack: process {self.pid} of this machine, which held its lock, has ended"


Action = decide.Action | Revoke | Ambiguous | Unlock
BUSY = ("build", "saving", "importing")
"""Status of an object on which the cloud still works."""
BUSY_SECONDS = 120.0
DONE = "run `pulumi up`"


def run(stack: str, *, yes: bool, discard: bool, ask: Callable[[str], str] = input) -> int:
    """Bring the state of a stack in line with the cloud, and return the exit status.

    0: nothing is left to do; 1: something is left, or the answer was no; 2: Pulumi, OpenStack or UFM failed. What was
    done before a failure is done; the command may run again.
    """
    try:
        return _recover(stack, yes=yes, discard=discard, ask=ask)
    except (PulumiError, CloudError, UfmError) as error:
        print(f"rack recover: {error}", file=sys.stderr)
        return 2


def hint(stack: str) -> int:
    """Name the command if the state has operations that it settles, and return 1 then, else 0. Asks no API."""
    try:
        operations = Pulumi(stack).export().operations
    except PulumiError:
        return 0  # `up` has said it.
    found = [op for op in operations if op.resource.type in BY_TYPE or op.resource.type == decide.TOKEN]
    if not found:
        return 0
    names = ", ".join(dict.fromkeys(op.resource.name for op in found))
    print(f"{stack}: an `up` was interrupted while it worked on {names};", file=sys.stderr)
    print(f"before you run it again: python -m rack recover --stack {stack}", file=sys.stderr)
    return 1


def _recover(stack: str, *, yes: bool, discard: bool, ask: Callable[[str], str]) -> int:
    pulumi = Pulumi(stack)
    while True:
        actions = _actions(pulumi, discard)
        _show(stack, actions)
        if not any(isinstance(action, Import | Delete | Clear | Refresh | Revoke | Unlock) for action in actions):
            return 1 if actions else 0
        if not yes and not agreed(ask, "Write this to the state and to the cloud?"):
            return 1
        status = _carry_out(pulumi, actions, discard)
        if status is not None:
            return status


def _actions(pulumi: Pulumi, discard: bool) -> list[Action]:
    """Return the actions. An object that no operation accounts for needs the inputs that a preview tells."""
    state = pulumi.export()
    secrets = pulumi.export(show_secrets=True)
    found = _objects_if_needed(secrets)
    actions = decide.decide(state, found, discard=discard)
    if any(isinstance(action, Leave) for action in actions):
        actions = decide.decide(state, found, discard=discard, planned=pulumi.planned())
    return [*map(Unlock, pulumi.dead_holders()), *_of_tokens(secrets), *actions]


def _of_tokens(secrets: State) -> Iterator[Action]:
    """Yield the actions for UFM's tokens. UFM is asked only if the answer to a create was lost."""
    if not tokens.pending(secrets):
        return
    client = tokens.client_of(secrets)
    if client:
        try:
            yield from tokens.decide(secrets, client)
        finally:
            client.close()


def _objects_if_needed(secrets: State) -> list[CloudObject]:
    """Return all objects of the cloud, or none if it does not answer and no operation concerns it.

    An `up` that was killed while it deploys the cloud is recovered without the cloud.
    """
    try:
        return _objects(secrets)
    except CloudError as error:
        if any(op.resource.type in BY_TYPE for op in secrets.operations):
            raise
        print(f"unrecorded objects were not looked for: {error}", file=sys.stderr)
        return []


def _objects(secrets: State) -> list[CloudObject]:
    """Return all objects of the stack's cloud, once it does not work on this stack's any more."""
    api = api_of(secrets)
    if api is None:
        return []

    def listed() -> list[CloudObject]:
        return [found for kind in KINDS for found in kind.objects(api)]

    def busy(found: CloudObject) -> bool:
        return found.status in BUSY and found.mark is not None and found.mark.stack_id == secrets.owner_id

    found = listed()
    if any(map(busy, found)):
        print("waiting for objects on which the cloud still works", file=sys.stderr)
        try:
            wait(lambda: not any(map(busy, listed())), "objects are still being created", limit=BUSY_SECONDS)
        except CloudError as error:
            print(error, file=sys.stderr)
        found = listed()
    return found


def _show(stack: str, actions: Sequence[Action]) -> None:
    if not actions:
        print(f"{stack}: no interrupted operation, and no unrecorded object; nothing to recover")
    for action in actions:
        print(action)


def _carry_out(pulumi: Pulumi, actions: Sequence[Action], discard: bool) -> int | None:
    """Do what was shown, and return the exit status; None if others can be imported now.

    The state is written last: until then an interrupted run can be repeated.
    """
    pulumi.claim(pulumi.export())
    secrets = pulumi.export(show_secrets=True)
    again = _actions(pulumi, discard)
    shown = {str(action) for action in actions}
    if not {str(action) for action in again} <= shown:
        print("state or cloud have changed meanwhile; run the command again", file=sys.stderr)
        return 1
    _delete([action.found for action in again if isinstance(action, Delete)], secrets)
    _revoke([action.token for action in again if isinstance(action, Revoke)], secrets)
    imports = [action for action in again if isinstance(action, Import)]
    state = pulumi.export()
    if imports or state.operations:
        pulumi.store(state.with_imported([(action.resource, action.found.id) for action in imports]))
    stale = [action.operation.resource.urn for action in actions if isinstance(action, Refresh)]
    urns = [*dict.fromkeys([*(action.resource.urn for action in imports), *stale])]
    if urns:
        pulumi.refresh(urns)
    if imports and any(isinstance(action, Leave) and action.later for action in again):
        return None
    left = [action for action in again if isinstance(action, Leave | Ambiguous)]
    print(f"done, but {len(left)} left, see above" if left else f"done; {DONE}")
    return 1 if left else 0


def _delete(found: Sequence[CloudObject], secrets: State) -> None:
    api = api_of(secrets) if found else None
    if api:
        for each in found:
            each.kind.delete(api, each)


def _revoke(given: Sequence[str], secrets: State) -> None:
    client = tokens.client_of(secrets) if given else None
    if client:
        for token in given:
            client.revoke_token(token)
        client.close()
