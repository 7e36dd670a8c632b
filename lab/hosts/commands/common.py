"""Commands that hosts have in common: sudo, host name, packages, services, InfiniBand status, reboot."""

import argparse
import fnmatch
import os
import subprocess
from collections.abc import Callable

from lab.hosts.call import Become, Call, Parser, Refusal, command
from lab.process import LabError

ALL = ("ufm", "undercloud", "controller", "compute", "guest")
CENTOS = ("undercloud", "controller", "compute", "guest")

OFED = "MLNX_OFED_LINUX-5.6-2.0.9.0:"


@command("sudo", *ALL)
def sudo(call: Call) -> int:
    """The real sudo. Its set-user-ID bit has no effect inside a root, so for others than root the keeper starts it."""
    if call.uid == 0:
        raise Become(["/usr/bin/sudo", *call.argv[1:]])
    user = _user_name(call)
    listing = subprocess.run(
        call.host.enter(["/usr/bin/sudo", "-n", "-l", "-U", user]), capture_output=True, text=True, check=False
    )
    if "NOPASSWD" not in listing.stdout:
        raise Refusal(
            "sudo: a password is required" if "may run" in listing.stdout else f"{user} is not in the sudoers file."
        )
    return _as_root(call, user)


def _as_root(call: Call, user: str) -> int:
    environment = {**call.env, "SUDO_USER": user, "LAB_CWD": call.cwd}
    program = 'cd "$LAB_CWD" 2>/dev/null; unset LAB_CWD; exec /usr/bin/sudo "$@"'
    try:
        argv = call.host.enter(["/bin/sh", "-c", program, "sudo", *call.argv[1:]])
    except LabError as error:
        raise Refusal(f"sudo: {error}") from None
    child = subprocess.Popen(
        argv, env=environment, stdin=call.streams[0], stdout=call.streams[1], stderr=call.streams[2]
    )
    while child.poll() is None:
        if not call.alive(0.02):
            child.terminate()
            child.wait()
    return child.returncode


def _user_name(call: Call) -> str:
    for line in (call.host.root.tree / "etc/passwd").read_text().splitlines():
        fields = line.split(":")
        if fields[2] == str(call.uid):
            return fields[0]
    raise Refusal(f"sudo: you do not exist in the passwd database ({call.uid})")


@command("hostnamectl", *ALL)
def hostnamectl(call: Call) -> None:
    """`set-hostname NAME`, `hostname [NAME]`, `status`, `--static`."""
    parser = Parser(call, "hostnamectl")
    parser.add_argument("--static", action="store_true")
    parser.add_argument("--transient", action="store_true")
    parser.add_argument("verb", nargs="?", default="status", choices=["status", "set-hostname", "hostname"])
    parser.add_argument("name", nargs="?")
    options = parser.parse()
    if options.name is None and options.verb == "set-hostname":
        raise Refusal("Too few arguments.")
    if options.name is not None:
        call.as_root()
        _set_hostname(call, options.name)
    elif options.static or options.verb == "hostname":
        call.out(call.text("/etc/hostname").strip())
    else:
        pretty = call.text("/etc/os-release").partition('PRETTY_NAME="')[2].partition('"')[0]
        call.out(f"   Static hostname: {call.text('/etc/hostname').strip()}")
        call.out(f"  Operating System: {pretty}")


def _set_hostname(call: Call, name: str) -> None:
    old = call.text("/etc/hostname").strip()
    if name == old:
        return
    call.host.root.write("/etc/hostname", f"{name}\n")
    hosts = [line for line in call.text("/etc/hosts").splitlines() if old not in line.split()]
    call.host.root.write("/etc/hosts", "\n".join([*hosts, f"127.0.1.1 {name} {name.partition('.')[0]}"]) + "\n")
    subprocess.run(call.host.enter(["/bin/hostname", name]), check=True)


@command("reboot", *CENTOS, "ufm")
def reboot(call: Call) -> None:
    """The host goes down once the caller has its answer, and comes back with new firmware settings (H3)."""
    if call.argv[1:] not in ([], ["-f"], ["now"]):
        raise Refusal(f"reboot: invalid option -- '{call.argv[1]}'")
    call.as_root()
    if call.host.kind == "guest":
        raise Refusal("reboot: reboot the instance through the cloud (openstack server reboot)")
    call.afterwards.append(lambda: call.rack.reboot(call.host))


@command("shutdown", *CENTOS, "ufm")
def shutdown(call: Call) -> None:
    """`shutdown -r now` alone: nobody stands by to press the power button."""
    if list(call.argv[1:]) not in (["-r", "now"], ["-r", "+0"]):
        raise Refusal("shutdown: only `shutdown -r now` can be done without somebody at the rack")
    call.as_root()
    call.afterwards.append(lambda: call.rack.reboot(call.host))


@command("systemctl", *ALL)
def systemctl(call: Call) -> int:
    """Units are state: docker and ufm-enterprise on UFM's node, sshd and chronyd everywhere."""
    parser = Parser(call, "systemctl", add_help=False)
    parser.add_argument("-q", "--quiet", action="store_true")
    parser.add_argument("--now", action="store_true")
    parser.add_argument("--no-pager", action="store_true")
    parser.add_argument("verb")
    parser.add_argument("units", nargs="*")
    options = parser.parse()
    verbs = {
        "is-active": _is_active, "is-enabled": _is_enabled, "status": _is_active, "enable": _enable, "disable": _enable,
        "start": _start, "restart": _start, "stop": _start, "reload": _start,
    }  # fmt: skip
    if options.verb == "reboot":
        reboot(Call(**{**call.__dict__, "argv": ["reboot"]}))
        return 0
    if options.verb == "daemon-reload":
        call.as_root()
        _reload(call)
        return 0
    if options.verb not in verbs:
        raise Refusal(f"Unknown command verb {options.verb}.")
    if not options.units:
        raise Refusal("Too few arguments.")
    return max(verbs[options.verb](call, options, unit.removesuffix(".service")) for unit in options.units)


def _reload(call: Call) -> None:
    """Units that somebody has put into /etc/systemd/system are known from now on; those taken from it are not."""
    files = {file.stem for file in call.path("/etc/systemd/system").glob("*.service")}
    with call.host.change() as state:
        known: dict[str, dict[str, bool]] = state.setdefault("units", {})
        for name in files - known.keys():
            known[name] = {"active": False, "enabled": False, "file": True}
        for name in [n for n, unit in known.items() if unit.get("file") and n not in files]:
            del known[name]


def units(call: Call) -> dict[str, dict[str, bool]]:
    """Unit → {"active", "enabled"}."""
    return {
        **{name: {"active": True, "enabled": True} for name in ("sshd", "chronyd")},
        **call.host.state.get("units", {}),
    }


def set_unit(call: Call, name: str, **values: bool) -> None:
    with call.host.change() as state:
        known = state.setdefault("units", {}).setdefault(name, {"active": False, "enabled": False})
        known.update(values)


def _unit(call: Call, name: str, action: str) -> dict[str, bool]:
    unit = units(call).get(name)
    if unit is None:
        raise Refusal(f"Failed to {action} {name}.service: Unit {name}.service not found.", 5)
    return unit


def _is_active(call: Call, options: argparse.Namespace, name: str) -> int:
    active = units(call).get(name, {}).get("active", False)
    if not options.quiet:
        call.out(("active" if active else "inactive") if options.verb == "is-active" else _status(call, name, active))
    return 0 if active else (3 if name in units(call) else 4)


def _status(call: Call, name: str, active: bool) -> str:
    if name not in units(call):
        raise Refusal(f"Unit {name}.service could not be found.", 4)
    state = "active (running)" if active else "inactive (dead)"
    return f"● {name}.service\n   Active: {state}"


def _is_enabled(call: Call, options: argparse.Namespace, name: str) -> int:
    if name not in units(call):
        raise Refusal(f"Failed to get unit file state for {name}.service: No such file or directory")
    enabled = units(call)[name]["enabled"]
    if not options.quiet:
        call.out("enabled" if enabled else "disabled")
    return 0 if enabled else 1


def _enable(call: Call, options: argparse.Namespace, name: str) -> int:
    call.as_root()
    _unit(call, name, options.verb)
    set_unit(call, name, enabled=options.verb == "enable")
    if options.now:
        _switch(call, "start" if options.verb == "enable" else "stop", name)
    return 0


def _start(call: Call, options: argparse.Namespace, name: str) -> int:
    call.as_root()
    _unit(call, name, options.verb)
    _switch(call, options.verb, name)
    return 0


SWITCHES: dict[str, Callable[[Call, str], None]] = {}
"""Unit → function(call, verb) that does what the unit's start or stop means; filled by the areas."""


def _switch(call: Call, verb: str, name: str) -> None:
    if name in SWITCHES:
        SWITCHES[name](call, verb)
    set_unit(call, name, active=verb != "stop")


@command("ibstat", "ufm", "controller", "compute")
def ibstat(call: Call) -> None:
    """The HCA's port as the fabric has it (U2)."""
    parser = Parser(call, "ibstat")
    parser.add_argument("-l", "--list_of_cas", action="store_true")
    parser.add_argument("-s", "--short", action="store_true")
    parser.add_argument("-p", "--port_list", action="store_true")
    parser.add_argument("ca", nargs="?")
    parser.add_argument("port", nargs="?")
    options = parser.parse()
    if options.ca not in (None, "mlx5_0"):
        raise Refusal(
            f"ibpanic: [{os.getpid()}] main: '{options.ca}' IB device can't be found: (No such file or directory)"
        )
    text = call.rack.backends.fabric.ibstat(call.host.name)
    if options.list_of_cas:
        call.out("mlx5_0")
    elif options.port_list:
        call.out(next(line.split(":")[1].strip() for line in text.splitlines() if "Port GUID" in line))
    else:
        call.out(text.rstrip("\n"))


@command("ofed_info", "ufm", "guest")
def ofed_info(call: Call) -> None:
    """`-s`: MLNX_OFED 5.6, the least that the bandwidth test wants (G2). A host whose state says so has none."""
    if list(call.argv[1:]) != ["-s"]:
        raise Refusal("Usage: ofed_info -s", 1)
    if call.host.state.get("ofed") is False or (call.host.kind == "guest" and "mofed" not in elements(call)):
        raise Refusal("bash: ofed_info: command not found", 127)
    call.out(OFED)


def elements(call: Call) -> list[str]:
    """Of the image that the guest runs, as disk-image-create built it."""
    image = call.host.state["guest"]["image"]
    built: dict[str, list[str]] = call.rack.undercloud.state.get("built", {})
    return built.get(image, [])


# -- packages

WALLABY = ("python3-tripleoclient", "openstack-tripleo-heat-templates", "python3-networking-mlnx", "ceph-ansible")
"""In the repositories that tripleo-repos adds."""

BASE = (
    "python3-tripleo-repos", "mstflint", "pciutils", "perftest", "rdma-core",
    "infiniband-diags", "python3", "git", "tmux",
    "vim", "vim-enhanced", "jq", "wget", "curl", "rsync", "chrony", "bash-completion",
    "dnf-utils", "yum-utils", "nmap-ncat",
    "epel-release", "centos-release-stream", "openssh-clients", "util-linux", "diskimage-builder", "qemu-img", "podman",
    "lvm2", "tar", "gzip", "sudo", "python3-pip", "sshpass",
)  # fmt: skip
"""In CentOS Stream 8, EPEL and RDO's release repository."""


@command("yum", *CENTOS)
@command("dnf", *CENTOS)
def dnf(call: Call) -> int:
    """`install`, `remove`, `update`, `list installed`: packages are state; unknown ones are refused."""
    parser = Parser(call, call.argv[0])
    parser.add_argument("-y", "--assumeyes", action="store_true")
    parser.add_argument("-q", "--quiet", action="store_true")
    parser.add_argument("--enablerepo", action="append")
    parser.add_argument(
        "verb", choices=["install", "remove", "erase", "update", "upgrade", "list", "makecache", "clean", "reinstall"]
    )
    parser.add_argument("packages", nargs="*")
    options = parser.parse()
    if options.verb == "list":
        call.out("Installed Packages")
        call.out("\n".join(f"{p}.noarch" for p in sorted(installed(call))))
        return 0
    call.as_root()
    if options.verb in ("install", "reinstall"):
        _install(call, options.packages)
    elif options.verb in ("remove", "erase"):
        _remove(call, options.packages)
    else:
        call.out("Dependencies resolved.\nNothing to do.\nComplete!")
    return 0


def installed(call: Call) -> set[str]:
    return set(call.host.state.get("packages", []))


def _install(call: Call, packages: list[str]) -> None:
    if not packages:
        raise Refusal("Error: Need to pass a list of pkgs to install")
    available = BASE + (WALLABY if has_wallaby(call) else ())
    unknown = [p for p in packages if not fnmatch.filter(available, p)]
    if unknown:
        missing = "\n".join(f"No match for argument: {p}" for p in unknown)
        raise Refusal(f"{missing}\nError: Unable to find a match: {' '.join(unknown)}")
    new = {m for p in packages for m in fnmatch.filter(available, p)} - installed(call)
    if not new:
        call.out("\n".join(f"Package {p} is already installed." for p in packages))
        call.out("Dependencies resolved.\nNothing to do.\nComplete!")
        return
    call.progress(f"Dependencies resolved.\nInstalling: {' '.join(sorted(new))}", "Running transaction")
    for package in sorted(new):
        if package in ON_INSTALL:
            ON_INSTALL[package](call)
    with call.host.change() as state:
        state["packages"] = sorted(installed(call) | new)
    call.host.refresh()
    call.out(f"Installed:\n  {' '.join(sorted(new))}\nComplete!")


def _remove(call: Call, packages: list[str]) -> None:
    gone = installed(call) & set(packages)
    with call.host.change() as state:
        state["packages"] = sorted(installed(call) - gone)
    call.host.refresh()
    call.out(f"Removed: {' '.join(sorted(gone))}\nComplete!" if gone else "No packages marked for removal.\nComplete!")


ON_INSTALL: dict[str, Callable[[Call], None]] = {}
"""Package → puts its files on the disk; filled by the areas."""


def has_wallaby(call: Call) -> bool:
    return any(call.path("/etc/yum.repos.d").glob("delorean*.repo"))
