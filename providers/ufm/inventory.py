"""`find_members`: the ports of hosts as UFM knows them, in the form in which `PKey` takes members.

    members = ufm.find_members(["compute-1", "compute-2"], provider=provider, depends_on=[password])
    ufm.PKey("storage", pkey="0xb", members=members)

A look-up, made at every preview; nothing of it stands in the state but what is made of it. A host that is off has no
port on the fabric (guide step I2), and a host that UFM does not know by its name is an error that names those it does.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pulumi

from providers.ufm.client import Client
from providers.ufm.errors import UfmError
from providers.ufm.provider import Props, Provider

FUNCTION = "ufm:index:findMembers"


class UnknownHostsError(UfmError):
    """Hosts have no port on the fabric, as UFM reports it."""

    remedy: ClassVar[str] = "name hosts as UFM does (Managed Elements > Devices), and see that they are on and cabled"


def port_name(port: Mapping[str, Any]) -> str:
    """`host/number` of a host's port in UFM's list."""
    return f"{port['system_name']}/{port['number']}"


def members(client: Client, hosts: Sequence[str]) -> dict[str, str]:
    """`host/number` → GUID of all active ports of `hosts`.

    Raises:
        UnknownHostsError: some have none.
    """
    active = [port for port in client.ports("Computer") if port.get("logical_state") == "Active"]
    known = {str(port["system_name"]) for port in active}
    if unknown := sorted(set(hosts) - known):
        problem = f"no active port of {', '.join(unknown)}; there are {', '.join(sorted(known)) or 'none at all'}"
        raise UnknownHostsError(problem, host=client.host)
    return {port_name(port): str(port["guid"]) for port in active if port["system_name"] in hosts}


def answer(client: Client, arguments: Props) -> Props:
    """The function behind the protocol's Invoke."""
    return {"members": members(client, arguments["hosts"])}


def find_members(
    hosts: pulumi.Input[Sequence[pulumi.Input[str]]],
    *,
    provider: Provider,
    depends_on: Sequence[pulumi.Resource] = (),
) -> pulumi.Output[dict[str, str]]:
    """`host/number` → GUID of all active ports of `hosts`, named as UFM names them.

    depends_on: what must be there before UFM can be asked; as long as it is not, the members are unknown.
    """
    options = pulumi.InvokeOutputOptions(provider=provider, depends_on=list(depends_on))
    found = pulumi.runtime.invoke_output(FUNCTION, {"hosts": hosts}, options)
    return found.apply(lambda result: dict(result["members"]))
