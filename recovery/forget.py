"""`rack forget`: drops the resources of a cloud that no longer exists from the state, and its PKeys from UFM.

If the controllers were erased, nothing answers the deletions of instances, networks and images, and `pulumi destroy`
stops. `pulumi state delete`, or the option `deletedWith`, would leave the tenants' PKeys at UFM: Neutron deletes them,
and there is no Neutron any more. So this command deletes these PKeys, then drops:

- resources of the OpenStack provider;
- gates, which wait for the members that Neutron adds to a PKey;
- steps on overcloud nodes, whose delete would log in there.

Everything else stays in the state: hosts, control PKeys, the deployment. `pulumi destroy` then deletes it.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloud.client import CloudApi, CloudError, NoAnswerError
from providers.ufm.client import Client
from providers.ufm.errors import UfmError
from providers.ufm.owner import GROUP, PKeyMark
from recovery import tokens
from recovery.cloud import PROVIDER, login_of
from recovery.pulumi import Pulumi, PulumiError
from recovery.question import agreed
from recovery.state import Resource, State

GATE = "ufm:index:PKeyGate"
COMMAND = "command:remote:Command"
ON_A_NODE = "python3 /home/stack/node.py create"
"""In the commands that user stack on the undercloud runs on an overcloud node (`access/ssh.py`)."""


class CannotForgetError(Exception):
    """The command must not run. The text says why and what to do."""


@dataclass(frozen=True)
class Removal:
    """What is dropped and deleted."""

    dropped: Sequence[Resource]
    pkeys: Sequence[str]
    """The tenants' PKeys that UFM has."""

    def lines(self) -> list[str]:
        """Return what is to be done, one line each."""
        pkeys = [f"delete   PKey {pkey} at UFM, which Neutron would have deleted" for pkey in self.pkeys]
        return [*pkeys, *(f"forget   {resource.name} ({resource.type})" for resource in self.dropped)]


def run(stack: str, *, yes: bool, ask: Callable[[str], str] = input) -> int:
    """Forget the stack's cloud, and return the exit status.

    0: done, or nothing to forget; 1: the cloud exists, or the answer was no; 2: Pulumi, OpenStack or UFM failed. What
    was done before a failure is done; the command may run again.
    """
    try:
        return _forget(Pulumi(stack), stack, yes=yes, ask=ask)
    except CannotForgetError as error:
        print(f"rack forget: {error}", file=sys.stderr)
        return 1
    except (PulumiError, CloudError, UfmError) as error:
        print(f"rack forget: {error}", file=sys.stderr)
        return 2


def _forget(pulumi: Pulumi, stack: str, *, yes: bool, ask: Callable[[str], str]) -> int:
    secrets = pulumi.export(show_secrets=True)
    dropped = of_the_cloud(secrets)
    if not dropped:
        print(f"{stack}: its state has no resource of a cloud; nothing to forget")
        return 0
    _require_absent(secrets)
    client = tokens.client_of(secrets)
    try:
        plan = Removal(dropped, _pkeys(secrets, dropped, client))
        for line in plan.lines():
            print(line)
        if not yes:
            print("If the cloud comes back, its objects will belong to no stack.")
            if not agreed(ask, "Were its controllers erased? Write this to the state and to UFM?"):
                return 1
        pulumi.claim(secrets)
        for pkey in plan.pkeys:
            assert client
            client.delete_pkey(pkey)
    finally:
        if client:
            client.close()
    pulumi.store(without(pulumi.export(), {resource.urn for resource in dropped}))
    print("done; run `pulumi destroy`")
    return 0


def of_the_cloud(state: State) -> list[Resource]:
    """Return the resources that exist in the cloud only."""
    return [resource for resource in state.resources if resource.raw.get("custom") and _is_of_the_cloud(resource)]


def _is_of_the_cloud(resource: Resource) -> bool:
    on_a_node = resource.type == COMMAND and ON_A_NODE in str(resource.inputs.get("create"))
    return resource.type.startswith("openstack:") or resource.type == GATE or on_a_node


def _require_absent(secrets: State) -> None:
    """Check that the cloud does not answer.

    Raises:
        CannotForgetError: it does.
    """
    provider = next(secrets.of(PROVIDER), None)
    if provider is None:
        return
    login = login_of(provider)
    try:
        CloudApi(login).log_in()
    except NoAnswerError:
        return
    except CloudError as error:
        problem = f"the cloud at {login.auth_url} answers: {error}; only a cloud that is gone is forgotten"
        raise CannotForgetError(problem) from None
    raise CannotForgetError(f"the cloud at {login.auth_url} exists; `pulumi destroy` deletes its resources")


def _pkeys(secrets: State, dropped: Sequence[Resource], client: Client | None) -> list[str]:
    """Return the PKeys of dropped gates that UFM has.

    Raises:
        CannotForgetError: another stack has marked one of them as its own.
    """
    wanted = sorted({str(gate.inputs["pkey"]) for gate in dropped if gate.type == GATE})
    if client is None or not wanted:
        return []
    groups = client.groups()
    for pkey in wanted:
        mark = PKeyMark.parse(groups.get(GROUP + pkey, ""))
        if mark and mark.stack_id != secrets.owner_id:
            raise CannotForgetError(f"PKey {pkey} at UFM belongs to stack {mark.stack} of project {mark.project}")
    return [pkey for pkey in wanted if client.get_pkey(pkey)]


def without(state: State, urns: set[str]) -> State:
    """Return the state without these resources; no other resource depends on them any more."""
    deployment = dict(state.exported["deployment"])
    kept = [raw for raw in deployment.get("resources") or () if raw["urn"] not in urns]
    deployment["resources"] = [_independent(raw, urns) for raw in kept]
    deployment.pop("pending_operations", None)
    return State({**state.exported, "deployment": deployment})


def _independent(raw: Mapping[str, Any], urns: set[str]) -> dict[str, Any]:
    found = dict(raw)
    if "dependencies" in found:
        found["dependencies"] = [urn for urn in found["dependencies"] if urn not in urns]
    if "propertyDependencies" in found:
        needed = found["propertyDependencies"].items()
        found["propertyDependencies"] = {key: [urn for urn in some or () if urn not in urns] for key, some in needed}
    return found
