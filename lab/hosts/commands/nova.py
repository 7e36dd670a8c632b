"""The overcloud's nova and neutron as `openstack` shows them on the undercloud, after python-openstackclient 5.5.

Servers (B1), compute services and network agents. The last two outlive their host.
"""

from collections.abc import Callable, Sequence

from lab.hosts.backends.interfaces import ServiceRefusedError
from lab.hosts.call import Call
from lab.hosts.commands.openstack import Login, parser, subcommand
from lab.hosts.kinds.undercloud import Undercloud
from lab.hosts.outcomes import Refusal
from lab.hosts.output import add_format, listing


@subcommand("compute service list", Login.OVERCLOUD)
def services(call: Call[Undercloud]) -> None:
    """List compute services: `[--host HOST] [--service nova-compute] [--long]`."""
    options = parser(call)
    options.add_argument("--host")
    options.add_argument("--service")
    options.add_argument("--long", action="store_true")
    add_format(options)
    given = options.parse()
    rows = [
        {
            "ID": service.id,
            "Binary": "nova-compute",
            "Host": service.host,
            "Zone": "nova",
            "Status": "disabled" if service.disabled else "enabled",
            "State": "up" if service.up else "down",
            "Updated At": service.updated,
            "Disabled Reason": service.reason or None,
        }
        for service in call.rack.backends.cloud.computes()
        if given.host in (None, service.host) and given.service in (None, "nova-compute")
    ]
    columns = ["ID", "Binary", "Host", "Zone", "Status", "State", "Updated At", "Disabled Reason"]
    listing(call, given, rows, columns if given.long else columns[:-1])


@subcommand("compute service set", Login.OVERCLOUD)
def set_service(call: Call[Undercloud]) -> None:
    """Run `--enable` or `--disable [--disable-reason TEXT]` with `HOST nova-compute`."""
    options = parser(call)
    options.add_argument("--enable", action="store_true")
    options.add_argument("--disable", action="store_true")
    options.add_argument("--disable-reason", default="")
    options.add_argument("host")
    options.add_argument("service", choices=["nova-compute"])
    given = options.parse()
    if given.disable_reason and not given.disable:
        raise Refusal("Cannot specify option --disable-reason without --disable specified.")
    if given.host not in [service.host for service in call.rack.backends.cloud.computes()]:
        raise Refusal(f"Compute service nova-compute of host {given.host} failed to set.")
    call.rack.backends.cloud.set_compute(given.host, disabled=given.disable, reason=given.disable_reason)


@subcommand("compute service delete", Login.OVERCLOUD)
def delete_service(call: Call[Undercloud]) -> None:
    """Delete services by ID. nova refuses a service whose host has servers."""
    options = parser(call)
    options.add_argument("service", nargs="+")
    _delete(call, options.parse().service, "compute service", call.rack.backends.cloud.delete_compute, "{0} (HTTP {1})")


def _delete(call: Call[Undercloud], names: Sequence[str], what: str, delete: Callable[[str], None], says: str) -> None:
    """Delete each of them, even if another one fails. `says` formats reason, status and URL of a failure."""
    failed = 0
    for name in names:
        try:
            delete(name)
        except ServiceRefusedError as error:
            failed += 1
            shown = says.format(error.reason, error.status, error.url)
            call.err(f"Failed to delete {what} with ID '{name}': {shown}")
    if failed:
        raise Refusal(f"{failed} of {len(names)} {what}s failed to delete.")


AGENT_TYPES = {
    "dhcp": "DHCP agent",
    "open-vswitch": "Open vSwitch agent",
    "l3": "L3 agent",
    "metadata": "Metadata agent",
}
"""The client's choices for --agent-type that the lab has. There is none for the Mellanox plugin agent."""
AGENT_COLUMNS = ("ID", "Agent Type", "Host", "Availability Zone", "Alive", "State", "Binary")


@subcommand("network agent list", Login.OVERCLOUD)
def agents(call: Call[Undercloud]) -> None:
    """List agents: `[--agent-type TYPE] [--host HOST]`. Alive and State are words in a table, else booleans."""
    options = parser(call)
    options.add_argument("--agent-type", choices=list(AGENT_TYPES))
    options.add_argument("--host", default="")
    options.add_argument("--long", action="store_true")
    add_format(options)
    given = options.parse()
    table = given.format == "table"
    rows = [
        {
            "ID": agent.id,
            "Agent Type": agent.type,
            "Host": agent.host,
            "Availability Zone": agent.zone,
            "Alive": (":-)" if agent.alive else "XXX") if table else agent.alive,
            "State": ("UP" if agent.up else "DOWN") if table else agent.up,
            "Binary": agent.binary,
        }
        for agent in call.rack.backends.cloud.agents(given.host)
        if AGENT_TYPES.get(given.agent_type, agent.type) == agent.type
    ]
    listing(call, given, rows, AGENT_COLUMNS)


@subcommand("network agent delete", Login.OVERCLOUD)
def delete_agent(call: Call[Undercloud]) -> None:
    """Delete agents by ID."""
    options = parser(call)
    options.add_argument("network_agent", nargs="+", metavar="<network-agent>")
    says = "ResourceNotFound: {1}: Client Error for url: {2}, {0}"
    _delete(call, options.parse().network_agent, "network agent", call.rack.backends.cloud.delete_agent, says)


@subcommand("server list", Login.OVERCLOUD)
def servers(call: Call[Undercloud]) -> None:
    """List servers: `--all-projects [--host HOST]`."""
    options = parser(call)
    options.add_argument("--all-projects", action="store_true", required=True)
    options.add_argument("--host")
    options.add_argument("-n", "--no-name-lookup", action="store_true")
    add_format(options)
    given = options.parse()
    guests = [g for g in call.rack.guests() if given.host in (None, g.host)]
    rows = [{"ID": g.id, "Name": g.name, "Status": g.status} for g in guests]
    listing(call, given, rows, ["ID", "Name", "Status"])
