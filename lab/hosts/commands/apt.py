"""apt-get and dpkg-query on UFM's node. Packages are state; Docker's start a service when they are installed (U1)."""

import argparse
import re
import shlex
from collections.abc import Mapping, Sequence

from lab.hosts.call import Call
from lab.hosts.kinds.ufm import KERNEL, UfmHost
from lab.hosts.outcomes import Refusal
from lab.hosts.output import Parser
from lab.hosts.registry import command
from lab.hosts.state import Unit

UBUNTU: Mapping[str, Sequence[str]] = {
    "docker.io": ("20.10.21-0ubuntu1~18.04.3",),
    "containerd": ("1.6.12-0ubuntu1~18.04.1",),
    f"linux-headers-{KERNEL}": ("4.15.0-213.224",),
    "dkms": ("2.3-3ubuntu9.7",),
    "build-essential": ("12.4ubuntu1",),
    "curl": ("7.58.0-2ubuntu3.24",),
    "openssl": ("1.1.1-1ubuntu2.1~18.04.23",),
    "infiniband-diags": ("2.0.0-2",),
}
"""Package → versions in Ubuntu's own repositories, the newest first."""

DOCKER: Mapping[str, Sequence[str]] = {
    "docker-ce": ("5:24.0.2-1~ubuntu.18.04~bionic", "5:20.10.24~3-0~ubuntu-bionic"),
    "docker-ce-cli": ("5:24.0.2-1~ubuntu.18.04~bionic", "5:20.10.24~3-0~ubuntu-bionic"),
    "containerd.io": ("1.6.21-1", "1.6.20-1"),
}
"""The same of Docker's repository."""

DOCKER_URL = "https://download.docker.com/linux/ubuntu"
ENGINES = ("docker-ce", "docker.io")
"""Packages with Docker's daemon; they exclude each other."""
CONFLICTS: Mapping[str, Sequence[str]] = {
    "docker-ce": ("docker.io",),
    "docker.io": ("docker-ce", "docker-ce-cli"),
    "containerd.io": ("containerd",),
    "containerd": ("containerd.io",),
}
DEPENDS: Mapping[str, Sequence[str]] = {
    "docker.io": ("containerd",),
    "docker-ce": ("containerd.io", "docker-ce-cli"),
}
PUBLIC_KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----"


@command("apt-get", UfmHost)
def apt_get(call: Call[UfmHost]) -> int:
    """Run `update` or `install PACKAGE[=VERSION]…`."""
    parser = Parser(call, "apt-get")
    parser.add_argument("-y", "--yes", "--assume-yes", action="store_true")
    parser.add_argument("-q", "--quiet", action="count")
    parser.add_argument("--allow-downgrades", action="store_true")
    parser.add_argument("verb", choices=["update", "install"])
    parser.add_argument("packages", nargs="*")
    options = parser.parse()
    _lock(call, "/var/lib/apt/lists/lock" if options.verb == "update" else "/var/lib/dpkg/lock-frontend")
    return _update(call) if options.verb == "update" else _install(call, options)


def _lock(call: Call[UfmHost], name: str) -> None:
    if call.uid != 0:
        raise Refusal(f"E: Could not open lock file {name} - open (13: Permission denied)", 100)
    if call.host.state.apt_locks:
        with call.host.change():
            call.host.state.apt_locks -= 1
        holder = "It is held by process 1234 (unattended-upgr)"
        raise Refusal(f"E: Could not get lock {name}. {holder}\nE: Unable to lock directory", 100)


def _update(call: Call[UfmHost]) -> int:
    """Read the lists of all sources. A source that does not answer is a warning, one without a signature an error."""
    lists, problems = [], []
    for url, keyring in _sources(call):
        if call.host.state.offline:
            call.err(f"W: Failed to fetch {url}/dists/bionic/InRelease  Temporary failure resolving")
        elif url not in ("", DOCKER_URL):
            problems.append(f"E: The repository '{url} bionic Release' does not have a Release file.")
        elif url and not _is_key(call, keyring):
            call.err(f"W: GPG error: {url} bionic InRelease: The following signatures couldn't be verified because the "
                     "public key is not available: NO_PUBKEY 7EA0A9C3F273FCD8")  # fmt: skip
            problems.append(f"E: The repository '{url} bionic InRelease' is not signed.")
        else:
            lists.append(url)
            call.out(f"Hit:{len(lists)} {url or 'http://archive.ubuntu.com/ubuntu'} bionic InRelease")
    with call.host.change():
        call.host.state.apt_lists = sorted({*call.host.state.apt_lists, *lists})
    if problems:
        raise Refusal("\n".join(problems), 100)
    if call.host.state.offline:
        call.err("W: Some index files failed to download. They have been ignored, or old ones used instead.")
    return 0


def _sources(call: Call[UfmHost]) -> list[tuple[str, str]]:
    """Return URL and keyring of each source; Ubuntu's own has the URL ''."""
    found = [("", "")]
    for file in sorted(call.path("/etc/apt/sources.list.d").glob("*.list")):
        for line in file.read_text().splitlines():
            match = re.fullmatch(r"deb \[arch=amd64 signed-by=(\S+)\] (\S+) bionic stable", line)
            if not match:
                raise Refusal(
                    f"E: Malformed entry 1 in list file {file.name}\nE: The list of sources could not be read.", 100
                )
            found.append((match[2].rstrip("/"), match[1]))
    return found


def _is_key(call: Call[UfmHost], name: str) -> bool:
    file = call.path(name)
    return file.is_file() and file.read_text().startswith(PUBLIC_KEY)


def _install(call: Call[UfmHost], options: argparse.Namespace) -> int:
    wanted = dict(_chosen(call, word) for word in options.packages)
    have = call.host.state.debs
    for name in [*wanted]:
        for needed in DEPENDS.get(name, ()):
            if needed not in have:
                wanted.setdefault(needed, _chosen(call, needed)[1])
    new = {name: version for name, version in wanted.items() if have.get(name) != version}
    if not new:
        call.out("0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.")
        return 0
    if not options.yes:
        raise Refusal("After this operation, 300 MB of additional disk space will be used.\nAbort.")
    if any(have.get(name, "") > version for name, version in new.items()) and not options.allow_downgrades:
        raise Refusal("E: Packages were downgraded and -y was used without --allow-downgrades.", 100)
    if call.host.state.offline:
        raise Refusal(
            "E: Failed to fetch http://archive.ubuntu.com/ubuntu/pool  Temporary failure resolving\n"
            "E: Unable to fetch some archives, maybe run apt-get update or try with --fix-missing?", 100
        )  # fmt: skip
    _unpack(call, new)
    return 0


def _chosen(call: Call[UfmHost], word: str) -> tuple[str, str]:
    """Return package and version for an argument. Only lists that were read have packages."""
    name, _, version = word.partition("=")
    lists = call.host.state.apt_lists
    known = {**(UBUNTU if "" in lists else {}), **(DOCKER if DOCKER_URL in lists else {})}
    have = call.host.state.debs.get(name)
    versions = known.get(name, (have,) if have else ())
    if not versions:
        raise Refusal(f"E: Unable to locate package {name}", 100)
    if version and version not in versions:
        raise Refusal(f"E: Version '{version}' for '{name}' was not found", 100)
    return name, version or str(versions[0])


def _unpack(call: Call[UfmHost], new: Mapping[str, str]) -> None:
    gone = {other for name in new for other in CONFLICTS.get(name, ())}
    call.progress(*(f"Setting up {name} ({version}) ..." for name, version in new.items()))
    with call.host.change():
        kept = {name: version for name, version in call.host.state.debs.items() if name not in gone}
        call.host.state.debs = {**kept, **new}
        if any(name in new for name in ENGINES):
            call.host.state.units["docker"] = Unit(active=True, enabled=True)


@command("dpkg-query", UfmHost)
def dpkg_query(call: Call[UfmHost]) -> int:
    """Run `-W -f FORMAT PACKAGE`, with `${db:Status-Status}` and `${Version}` in the format."""
    parser = Parser(call, "dpkg-query")
    parser.add_argument("-W", "--show", action="store_true", required=True)
    parser.add_argument("-f", "--showformat", default="${Package}\t${Version}\n")
    parser.add_argument("package")
    options = parser.parse()
    version = call.host.state.debs.get(options.package)
    if version is None:
        raise Refusal(f"dpkg-query: no packages found matching {shlex.quote(options.package)}")
    text = options.showformat.replace("${db:Status-Status}", "installed").replace("${Version}", version)
    call.out(text.replace("${Package}", options.package), end="")
    return 0


def engine(debs: Mapping[str, str]) -> str:
    """Return the release of Docker's daemon, e.g. 24.0.2; empty if none is installed."""
    version = next((debs[name] for name in ENGINES if name in debs), "")
    return re.sub(r"^(\d+:)?([\d.]+).*", r"\2", version)
