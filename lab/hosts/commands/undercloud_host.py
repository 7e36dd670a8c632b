"""The undercloud's hardware and repositories (C1), and its GPU as the build host of guest images (G2)."""

from lab.hosts.call import Call
from lab.hosts.kinds.host import Host
from lab.hosts.kinds.node import Node
from lab.hosts.kinds.ufm import UfmHost
from lab.hosts.kinds.undercloud import Undercloud
from lab.hosts.outcomes import Refusal
from lab.hosts.output import Parser
from lab.hosts.registry import PACKAGES, command


@command("df", Undercloud, Node, UfmHost)
def df(call: Call[Host]) -> None:
    """Print the size of the root partition: a fifth more than the stack's configuration requires (C1).

    UFM's node has the same, of which tests may set the free part.
    """
    options = Parser(call, "df", add_help=False)
    options.add_argument("-h", "--human-readable", action="store_const", const=1, dest="human")
    options.add_argument("-k", action="store_const", const="K", dest="block_size")
    options.add_argument("-m", action="store_const", const="M", dest="block_size")
    options.add_argument("-B", "--block-size", default="K")
    options.add_argument("-P", "--portability", action="store_true")
    options.add_argument("-T", "--print-type", action="store_true")
    options.add_argument("--output", nargs="?", const="source,fstype,size,used,avail,pcent,target")
    options.add_argument("files", nargs="*")
    given = options.parse()
    for name in given.files:
        if not call.path(name).exists():
            raise Refusal(f"df: {name}: No such file or directory")
    columns = (given.output or "source,size,used,avail,pcent,target").split(",")
    free = call.host.state.free_gib if isinstance(call.host, UfmHost) else None
    fields = _disk(call.rack.plan.site.undercloud.root_gib, "G" if given.human else given.block_size, free)
    unknown = [c for c in columns if c not in fields]
    if unknown:
        raise Refusal(f"df: option --output: field '{unknown[0]}' unknown")
    heads = {
        "source": "Filesystem",
        "fstype": "Type",
        "size": "Size",
        "used": "Used",
        "avail": "Avail",
        "pcent": "Use%",
    }
    call.out(" ".join(f"{heads.get(c, 'Mounted on'):<12}" for c in columns).rstrip())
    call.out(" ".join(f"{fields[c]:<12}" for c in columns).rstrip())


def _disk(wanted_gib: int, unit: str, free_gib: int | None) -> dict[str, str]:
    units = {"K": 2**10, "M": 2**20, "G": 2**30, "1": 1}
    if unit[:1] not in units:
        raise Refusal(f"df: invalid -B argument '{unit}'")
    size = wanted_gib * 6 // 5 * 2**30
    used = 9 * 2**30 if free_gib is None else size - free_gib * 2**30
    suffix = unit if unit in ("G", "M") else ""

    def show(amount: int) -> str:
        return f"{amount // units[unit[:1]]}{suffix}"

    return {
        "source": "/dev/sda2", "fstype": "xfs", "size": show(size), "used": show(used), "avail": show(size - used),
        "pcent": f"{100 * used // size}%", "target": "/",
    }  # fmt: skip


REPOSITORIES = (
    "delorean",
    "delorean-wallaby-testing",
    "tripleo-centos-advanced-virtualization",
    "tripleo-centos-rabbitmq",
)


@command("tripleo-repos", Undercloud)
def tripleo_repos(call: Call[Undercloud]) -> None:
    """Run `-b wallaby current`: add the repositories of Wallaby's packages (C1)."""
    options = Parser(call, "tripleo-repos")
    options.add_argument(
        "-b", "--branch", default="master", choices=["master", "wallaby", "victoria", "ussuri", "train"]
    )
    options.add_argument("-d", "--distro", default="centos8")
    options.add_argument("--stream", action="store_true")
    options.add_argument("--no-stream", action="store_true")
    options.add_argument(
        "repos",
        nargs="+",
        choices=["current", "current-tripleo", "current-tripleo-dev", "deps", "ceph", "tripleo-ci-testing"],
    )
    given = options.parse()
    call.as_root()
    if given.branch != "wallaby":
        raise Refusal(f"tripleo-repos: the mirror holds no branch {given.branch} for CentOS Stream 8: HTTP 404")
    for name in REPOSITORIES:
        call.write(f"/etc/yum.repos.d/{name}.repo", f"[{name}]\nname={name}\nenabled=1\n")
        call.out(f"Installed repo {name} to /etc/yum.repos.d/{name}.repo")


@PACKAGES.register("python3-tripleoclient", Undercloud)
@PACKAGES.register("openstack-tripleo-heat-templates", Undercloud)
def install_templates(call: Call[Undercloud]) -> None:
    """Install TripleO's templates, on which python3-tripleoclient depends: the real ones of Wallaby."""
    call.host.install_templates()


@command("lspci", Undercloud)
def lspci(call: Call[Undercloud]) -> None:
    """Print a GPU: the undercloud builds the guest images too (G2)."""
    call.out(
        "00:00.0 Host bridge: Intel Corporation Xeon E7 v4/Xeon E5 v4 DMI2\n"
        "3b:00.0 3D controller: NVIDIA Corporation GA100"
    )


@command("nvidia-smi", Undercloud)
def nvidia_smi(call: Call[Undercloud]) -> None:
    """Run `-L`: the build host's GPU (G2)."""
    if list(call.argv[1:]) != ["-L"]:
        raise Refusal("Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.", 1)
    call.out("GPU 0: NVIDIA A100-PCIE-40GB (UUID: GPU-5f2b1f0e-6c1e-4b7d-9a4a-000000000000)")
