"""Options of the system's `ssh`, where a step or a check runs it on the machine that runs pulumi."""

import shlex
from pathlib import Path

from rack.site import Ssh


def options(ssh: Ssh, *extra: str, only_this_key: bool = False) -> str:
    """Return the options for a host of the operator's known_hosts file, as text for a shell.

    Without a key in the configuration, an SSH agent has one. ProxyJump would ignore these options on the way to the
    bastion, so the bastion is entered by a ProxyCommand.

    Args:
        ssh: the configuration.
        extra: further options, for the host and the bastion.
        only_this_key: try no key of an agent where the configuration has a key.
    """

    def hop(port: int, key: Path | None) -> str:
        identity = f" -i {shlex.quote(str(key))}" if key else ""
        words = "".join(f"{word} " for word in extra)
        only = " -o IdentitiesOnly=yes" if key and only_this_key else ""
        return (
            f"{words}-p {port}{identity} -o BatchMode=yes"
            f" -o StrictHostKeyChecking=yes -o UserKnownHostsFile={shlex.quote(_file(ssh.known_hosts_file))}{only}"
        )

    proxy = ssh.proxy
    if proxy is None:
        return hop(ssh.port, ssh.private_key_file)
    way = hop(proxy.port, proxy.private_key_file or ssh.private_key_file)
    jump = f"ProxyCommand=ssh {way} -W %h:%p {proxy.user}@{proxy.address}"
    return f"{hop(ssh.port, ssh.private_key_file)} -o {shlex.quote(jump)}"


def _file(path: Path) -> str:
    """Return the path as a value of ssh's configuration, which lists files separated by blanks."""
    return f'"{path}"' if " " in str(path) else str(path)
