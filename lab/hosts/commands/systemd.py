"""systemctl. Units are state; starting or stopping one does what `lab.hosts.registry.UNITS` has for it."""

import argparse
from dataclasses import replace

from lab.hosts.call import Call
from lab.hosts.kinds.host import Host
from lab.hosts.outcomes import Refusal
from lab.hosts.output import Parser
from lab.hosts.registry import COMMANDS, UNITS, command
from lab.hosts.state import Unit


@command("systemctl", Host)
def systemctl(call: Call[Host]) -> int:
    """Start, stop, enable, disable and show units; reload their files; reboot."""
    parser = Parser(call, "systemctl", add_help=False)
    parser.add_argument("-q", "--quiet", action="store_true")
    parser.add_argument("--now", action="store_true")
    parser.add_argument("--no-pager", action="store_true")
    parser.add_argument("verb")
    parser.add_argument("units", nargs="*")
    options = parser.parse()
    if options.verb == "reboot":
        reboot = COMMANDS.find(type(call.host), "reboot")
        return int(reboot(replace(call, argv=["reboot"])) or 0) if reboot else 1
    if options.verb == "daemon-reload":
        call.as_root()
        _reload(call)
        return 0
    if options.verb not in VERBS:
        raise Refusal(f"Unknown command verb {options.verb}.")
    if not options.units:
        raise Refusal("Too few arguments.")
    return max(VERBS[options.verb](call, options, unit.removesuffix(".service")) for unit in options.units)


def _reload(call: Call[Host]) -> None:
    """Add a unit for each new file in /etc/systemd/system; remove the units whose file is gone."""
    files = {file.stem for file in call.path("/etc/systemd/system").glob("*.service")}
    with call.host.change():
        units = call.host.state.units
        for name in files - units.keys():
            units[name] = Unit(from_file=True)
        for name in [n for n, unit in units.items() if unit.from_file and n not in files]:
            del units[name]


def _unit(call: Call[Host], name: str, action: str) -> Unit:
    unit = call.host.units.get(name)
    if unit is None:
        raise Refusal(f"Failed to {action} {name}.service: Unit {name}.service not found.", 5)
    return unit


def _is_active(call: Call[Host], options: argparse.Namespace, name: str) -> int:
    unit = call.host.units.get(name)
    if not options.quiet:
        call.out("active" if unit and unit.active else "inactive")
    return _activity(unit)


def _activity(unit: Unit | None) -> int:
    """Return the exit status of is-active and status."""
    if unit is None:
        return 4
    return 0 if unit.active else 3


def _status(call: Call[Host], options: argparse.Namespace, name: str) -> int:
    unit = call.host.units.get(name)
    if not options.quiet:
        if unit is None:
            raise Refusal(f"Unit {name}.service could not be found.", 4)
        call.out(f"● {name}.service\n   Active: {'active (running)' if unit.active else 'inactive (dead)'}")
    return _activity(unit)


def _is_enabled(call: Call[Host], options: argparse.Namespace, name: str) -> int:
    unit = call.host.units.get(name)
    if unit is None:
        raise Refusal(f"Failed to get unit file state for {name}.service: No such file or directory")
    if not options.quiet:
        call.out("enabled" if unit.enabled else "disabled")
    return 0 if unit.enabled else 1


def _enable(call: Call[Host], options: argparse.Namespace, name: str) -> int:
    call.as_root()
    _unit(call, name, options.verb)
    call.host.set_unit(name, enabled=options.verb == "enable")
    if options.now:
        _switch(call, "start" if options.verb == "enable" else "stop", name)
    return 0


def _start(call: Call[Host], options: argparse.Namespace, name: str) -> int:
    call.as_root()
    _unit(call, name, options.verb)
    _switch(call, options.verb, name)
    return 0


def _switch(call: Call[Host], verb: str, name: str) -> None:
    switch = UNITS.find(type(call.host), name)
    if switch is not None:
        switch(call, verb)
    elif verb in ("start", "restart") and not call.host.run_commands(call.host.oneshot(name)):
        raise Refusal(f"Job for {name}.service failed because the control process exited with error code.")
    call.host.set_unit(name, active=verb != "stop")


VERBS = {
    "is-active": _is_active,
    "is-enabled": _is_enabled,
    "status": _status,
    "enable": _enable,
    "disable": _enable,
    "start": _start,
    "restart": _start,
    "stop": _start,
    "reload": _start,
}
