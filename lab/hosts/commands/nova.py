"""The overcloud's nova as `openstack` asks it on the undercloud (B1): compute services, and who runs on a compute."""

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
        for service in call.rack.parts.cloud.computes()
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
    if given.host not in [service.host for service in call.rack.parts.cloud.computes()]:
        raise Refusal(f"Compute service nova-compute of host {given.host} failed to set.")
    call.rack.parts.cloud.set_compute(given.host, disabled=given.disable, reason=given.disable_reason)


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
