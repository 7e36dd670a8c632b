"""Commands that every host has: sudo, host name, reboot, shutdown."""

import subprocess

from lab.hosts.call import Call
from lab.hosts.kinds.guest import GuestHost
from lab.hosts.kinds.host import Host
from lab.hosts.outcomes import Become, Refusal
from lab.hosts.output import Parser
from lab.hosts.registry import command
from lab.process import LabError


@command("sudo", Host)
def sudo(call: Call[Host]) -> int:
    """Run the real sudo. Its set-user-ID bit has no effect in a root, so the keeper starts it for other users."""
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


def _as_root(call: Call[Host], user: str) -> int:
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


def _user_name(call: Call[Host]) -> str:
    for line in (call.host.root.tree / "etc/passwd").read_text().splitlines():
        fields = line.split(":")
        if fields[2] == str(call.uid):
            return fields[0]
    raise Refusal(f"sudo: you do not exist in the passwd database ({call.uid})")


@command("hostnamectl", Host)
def hostnamectl(call: Call[Host]) -> None:
    """Run `set-hostname NAME`, `hostname [NAME]` or `status`, with `--static` or `--transient`."""
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


def _set_hostname(call: Call[Host], name: str) -> None:
    old = call.text("/etc/hostname").strip()
    if name == old:
        return
    call.host.root.write("/etc/hostname", f"{name}\n")
    hosts = [line for line in call.text("/etc/hosts").splitlines() if old not in line.split()]
    call.host.root.write("/etc/hosts", "\n".join([*hosts, f"127.0.1.1 {name} {name.partition('.')[0]}"]) + "\n")
    subprocess.run(call.host.enter(["/bin/hostname", name]), check=True)


@command("reboot", Host)
def reboot(call: Call[Host]) -> None:
    """Reboot once the caller has its exit status."""
    if call.argv[1:] not in ([], ["-f"], ["now"]):
        raise Refusal(f"reboot: invalid option -- '{call.argv[1]}'")
    call.as_root()
    call.afterwards.append(call.host.reboot)


@command("shutdown", Host)
def shutdown(call: Call[Host]) -> None:
    """`shutdown -r now` only: nothing in the lab could power the host on again."""
    if list(call.argv[1:]) not in (["-r", "now"], ["-r", "+0"]):
        raise Refusal(f"shutdown {' '.join(call.argv[1:])}: the lab has only `shutdown -r now`")
    call.as_root()
    call.afterwards.append(call.host.reboot)


@command("reboot", GuestHost)
@command("shutdown", GuestHost)
def refuse_reboot(call: Call[GuestHost]) -> None:
    """Refuse: the lab cannot tell nova that a guest reboots itself."""
    raise Refusal(f"{call.argv[0]}: reboot the instance through the cloud (openstack server reboot)")
