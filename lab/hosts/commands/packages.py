"""dnf and yum. Packages are state; a few also put files on the disk (`lab.hosts.registry.PACKAGES`)."""

import fnmatch
import re
from collections.abc import Sequence

from lab.hosts import mirrors
from lab.hosts.call import Call
from lab.hosts.kinds.guest import GuestHost
from lab.hosts.kinds.host import Host
from lab.hosts.kinds.node import Node
from lab.hosts.kinds.undercloud import Undercloud
from lab.hosts.outcomes import Refusal
from lab.hosts.output import Parser
from lab.hosts.registry import PACKAGES, command

WALLABY = (
    "python3-tripleoclient", "openstack-tripleo-heat-templates", "python3-networking-mlnx", "ceph-ansible",
    "diskimage-builder",
)  # fmt: skip
"""Packages of the repositories that tripleo-repos adds."""

RELEASE = "python3-tripleo-repos"
RDO = "https://trunk.rdoproject.org/"
"""Imitated, not read."""
COMPONENT = re.compile(r"https://trunk\.rdoproject\.org/centos8(-wallaby)?/component/tripleo/current/?")
"""RDO's repositories with the package RELEASE."""

BASE = (
    "mstflint", "pciutils", "perftest", "rdma-core",
    "infiniband-diags", "python3", "git", "tmux",
    "vim", "vim-enhanced", "jq", "wget", "curl", "rsync", "chrony", "bash-completion",
    "dnf-utils", "yum-utils", "nmap-ncat",
    "epel-release", "centos-release-stream", "openssh-clients", "util-linux", "qemu-img", "podman",
    "lvm2", "tar", "gzip", "sudo", "python3-pip", "sshpass",
)  # fmt: skip
"""Packages of the repositories that a fresh CentOS Stream 8 has, and of EPEL."""


@command("yum", Undercloud, Node, GuestHost)
@command("dnf", Undercloud, Node, GuestHost)
def dnf(call: Call[Host]) -> int:
    """Install, remove, update or list packages."""
    parser = Parser(call, call.argv[0])
    parser.add_argument("-y", "--assumeyes", action="store_true")
    parser.add_argument("-q", "--quiet", action="store_true")
    parser.add_argument("--enablerepo", action="append")
    parser.add_argument("--repofrompath", action="append", default=[])
    parser.add_argument("--setopt", action="append", default=[])
    parser.add_argument(
        "verb", choices=["install", "remove", "erase", "update", "upgrade", "list", "makecache", "clean", "reinstall"]
    )
    parser.add_argument("packages", nargs="*")
    options = parser.parse()
    if options.verb == "list":
        call.out("Installed Packages")
        call.out("\n".join(f"{p}.noarch" for p in call.host.state.packages))
        return 0
    call.as_root()
    if options.verb in ("install", "reinstall"):
        _install(call, options.packages, _added(call, options.repofrompath, options.setopt))
    elif options.verb in ("remove", "erase"):
        _remove(call, options.packages)
    else:
        call.out("Dependencies resolved.\nNothing to do.\nComplete!")
    return 0


def _added(call: Call[Host], repositories: Sequence[str], settings: Sequence[str]) -> tuple[str, ...]:
    """Return the packages of the repositories that `--repofrompath` adds. RDO does not sign its packages."""
    found: set[str] = set()
    for text in repositories:
        name, _, url = text.partition(",")
        found |= {RELEASE} if COMPONENT.fullmatch(url) else _listed(call, name, url)
        if f"{name}.gpgcheck=0" not in settings:
            raise Refusal(f"Package {RELEASE}.noarch is not signed\nError: GPG check FAILED")
    return tuple(found)


def _listed(call: Call[Host], name: str, url: str) -> frozenset[str]:
    """Return the packages of a repository, whose metadata are read."""
    if url.startswith(RDO):
        raise Refusal(f"Error: Failed to download metadata for repo '{name}': Cannot download repomd.xml: 404")
    try:
        return mirrors.packages(call.host.root, url)
    except mirrors.MirrorError as error:
        raise Refusal(
            f"Errors during downloading metadata for repository '{name}':\n  - {error}\n"
            f"Error: Failed to download metadata for repo '{name}': Cannot download repomd.xml: "
            "Cannot download repodata/repomd.xml: All mirrors were tried"
        ) from None


def _by_url(call: Call[Host], url: str) -> str:
    """Return the name of the package at a URL: of RDO's repository, or a file that a mirror has."""
    folder, _, file = url.rpartition("/")
    named = re.fullmatch(r"(.+)-\d[\w.]*-[\w.]+\.el8\.noarch\.rpm", file)
    try:
        if named and not url.startswith(RDO) and mirrors.read(call.host.root, url):
            return named[1]
    except mirrors.MirrorError as error:
        raise Refusal(f"[MIRROR] {file}: {error}\nError: Could not open: {url}") from None
    if not named or named[1] != RELEASE or not COMPONENT.fullmatch(folder):
        raise Refusal(f"[MIRROR] {file}: Status code: 404 for {url}\nError: Could not open: {url}")
    return RELEASE


def _available(call: Call[Host]) -> frozenset[str]:
    """Return the packages of the host's repositories: the site's own replace the distribution's."""
    own = mirrors.configured(call.host.root)
    if own:
        return frozenset().union(*(_listed(call, name, url) for name, url in own.items()))
    wallaby = any(call.path("/etc/yum.repos.d").glob("delorean*.repo"))
    return frozenset((*BASE, *(WALLABY if wallaby else ())))


def _install(call: Call[Host], packages: list[str], added: tuple[str, ...]) -> None:
    if not packages:
        raise Refusal("Error: Need to pass a list of pkgs to install")
    by_url = {p: _by_url(call, p) for p in packages if "://" in p}
    packages = [by_url.get(p, p) for p in packages]
    available = (*_available(call), *added, *by_url.values(), *call.host.state.packages)
    unknown = [p for p in packages if not fnmatch.filter(available, p)]
    if unknown:
        missing = "\n".join(f"No match for argument: {p}" for p in unknown)
        raise Refusal(f"{missing}\nError: Unable to find a match: {' '.join(unknown)}")
    new = {m for p in packages for m in fnmatch.filter(available, p)} - {*call.host.state.packages}
    if not new:
        call.out("\n".join(f"Package {p} is already installed." for p in packages))
        call.out("Dependencies resolved.\nNothing to do.\nComplete!")
        return
    call.progress(f"Dependencies resolved.\nInstalling: {' '.join(sorted(new))}", "Running transaction")
    for package in sorted(new):
        install_files = PACKAGES.find(type(call.host), package)
        if install_files is not None:
            install_files(call)
    with call.host.change():
        call.host.state.packages = sorted({*call.host.state.packages, *new})
    call.host.refresh()
    call.out(f"Installed:\n  {' '.join(sorted(new))}\nComplete!")


def _remove(call: Call[Host], packages: list[str]) -> None:
    installed = {*call.host.state.packages}
    gone = installed & {*packages}
    with call.host.change():
        call.host.state.packages = sorted(installed - gone)
    call.host.refresh()
    call.out(f"Removed: {' '.join(sorted(gone))}\nComplete!" if gone else "No packages marked for removal.\nComplete!")


@command("rpm", Undercloud, Node)
def rpm(call: Call[Host]) -> int:
    """Run `-q PACKAGE…`: tell which packages are installed."""
    parser = Parser(call, "rpm")
    parser.add_argument("-q", "--query", action="store_true", required=True)
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("packages", nargs="+")
    given = parser.parse()
    missing = [p for p in given.packages if p not in call.host.state.packages]
    for package in given.packages if not given.quiet else ():
        call.out(f"package {package} is not installed" if package in missing else f"{package}.noarch")
    return len(missing)
