"""The overcloud's nova and neutron as `openstack` asks them on the undercloud, after python-openstackclient 5.5: who
runs on a compute (B1), compute services and network agents, which outlive their host."""

from collections.abc import Callable, Sequence

from lab.hosts.backends.interfaces import RefusedError
from lab.hosts.call import Call, Refusal, add_format, listing
from lab.hosts.commands.openstack import parser, subcommand


@subcommand("compute service list", of_overcloud=True)
def services(call: Call) -> None:
    """`[--host HOST] [--service nova-compute] [--long]`, columns as python-openstackclient 5.5 has them."""
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


@subcommand("compute service set", of_overcloud=True)
def set_service(call: Call) -> None:
    """`--enable` or `--disable [--disable-reason TEXT] HOST nova-compute`."""
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


@subcommand("compute service delete", of_overcloud=True)
def delete_service(call: Call) -> None:
    """`ID...`; nova refuses one whose host has servers."""
    options = parser(call)
    options.add_argument("service", nargs="+")
    _delete(call, options.parse().service, "compute service", call.rack.backends.cloud.delete_compute, "{0} (HTTP {1})")


def _delete(call: Call, names: Sequence[str], what: str, delete: Callable[[str], None], says: str) -> None:
    """Each of them, whatever became of the one before; `says`: how the client shows reason, status and URL."""
    failed = 0
    for name in names:
        try:
            delete(name)
        except RefusedError as error:
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
"""Those of the client's choices that the lab has; the Mellanox plugin agent is none of them."""
AGENT_COLUMNS = ("ID", "Agent Type", "Host", "Availability Zone", "Alive", "State", "Binary")


@subcommand("network agent list", of_overcloud=True)
def agents(call: Call) -> None:
    """`[--agent-type TYPE] [--host HOST]`. Alive and State are for eyes in a table, and booleans for programs."""
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


@subcommand("network agent delete", of_overcloud=True)
def delete_agent(call: Call) -> None:
    """`ID...`."""
    options = parser(call)
    options.add_argument("network_agent", nargs="+", metavar="<network-agent>")
    says = "ResourceNotFound: {1}: Client Error for url: {2}, {0}"
    _delete(call, options.parse().network_agent, "network agent", call.rack.backends.cloud.delete_agent, says)


@subcommand("server list", of_overcloud=True)
def servers(call: Call) -> None:
    """`--all-projects [--host HOST]`."""
    options = parser(call)
    options.add_argument("--all-projects", action="store_true", required=True)
    options.add_argument("--host")
    options.add_argument("-n", "--no-name-lookup", action="store_true")
    add_format(options)
    given = options.parse()
    guests = [g for g in call.rack.guests() if given.host in (None, g.host)]
    rows = [{"ID": g.id, "Name": g.name, "Status": g.status} for g in guests]
    listing(call, given, rows, ["ID", "Name", "Status"])
