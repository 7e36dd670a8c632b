"""`find_members`: the ports of hosts as UFM reports them, in the form that `PKey` takes as members.

    members = ufm.find_members(["compute-1", "compute-2"], provider=provider, depends_on=[password])
    ufm.PKey("storage", pkey="0xb", members=members)

A function, called at every preview; the state contains only the resources that use its result. A host that is powered
off has no active port. A host name that UFM does not know is an error that lists the known ones.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pulumi

from .client import Client
from .errors import AmbiguousPortsError, UnknownHostsError
from .handler import Props
from .provider import Provider

FUNCTION = "ufm:index:findMembers"
"""The function's Pulumi token."""


def by_name(client: Client, ports: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return `host/number` → GUID of `ports` from UFM's list.

    Raises:
        AmbiguousPortsError: two ports have the same host and number; one of them would be lost.
    """
    named: dict[str, Mapping[str, Any]] = {}
    for port in ports:
        name = _name(port)
        other = named.setdefault(name, port)
        if other["guid"] != port["guid"]:
            problem = f"two ports are named {name}: {_described(other)} and {_described(port)}"
            raise AmbiguousPortsError(problem, host=client.host)
    return {name: str(port["guid"]) for name, port in named.items()}


def _name(port: Mapping[str, Any]) -> str:
    return f"{_host(port)}/{port.get('number', '?')}" if _host(port) else f"unknown/{port['guid']}"


def _host(port: Mapping[str, Any]) -> str:
    """Return the name of a port's host; the node description where UFM has none; empty where it has neither."""
    return str(port.get("system_name") or port.get("node_description") or "")


def _described(port: Mapping[str, Any]) -> str:
    description = port.get("node_description")
    return f"{port['guid']} ({description})" if description else str(port["guid"])


def members(client: Client, hosts: Sequence[str]) -> dict[str, str]:
    """Return `host/number` → GUID of all active ports of `hosts`.

    Raises:
        UnknownHostsError: some hosts have no active port.
        AmbiguousPortsError: two of the ports have the same host and number.
    """
    active = [port for port in client.ports("Computer") if str(port.get("logical_state")).lower() == "active"]
    active_hosts = set(map(_host, active)) - {""}
    if unknown := sorted(set(hosts) - active_hosts):
        listed = ", ".join(sorted(active_hosts)) or "none"
        problem = f"no active port of {', '.join(unknown)}; hosts with active ports: {listed}"
        raise UnknownHostsError(problem, host=client.host)
    return by_name(client, (port for port in active if _host(port) in hosts))


def invoke(client: Client, arguments: Props) -> Props:
    """Answer the protocol's Invoke of the function."""
    return {"members": members(client, arguments["hosts"])}


def find_members(
    hosts: pulumi.Input[Sequence[pulumi.Input[str]]],
    *,
    provider: Provider,
    depends_on: Sequence[pulumi.Resource] = (),
) -> pulumi.Output[dict[str, str]]:
    """Return `host/number` → GUID of all active ports of `hosts`.

    Args:
        hosts: host names as UFM reports them.
        provider: the UFM to query.
        depends_on: resources without which UFM cannot be queried; until they exist, the members are unknown.
    """
    options = pulumi.InvokeOutputOptions(provider=provider, depends_on=list(depends_on))
    result = pulumi.runtime.invoke_output(FUNCTION, {"hosts": hosts}, options)
    return result.apply(lambda found: dict(found["members"]))
