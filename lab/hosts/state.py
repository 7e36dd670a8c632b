"""The keeper's records of hosts: one type per kind of host, stored as JSON in the host's folder.

The record outlives the keeper. Everything that a host has by factory default is the field's default.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from lab.process import LabError

FILE = "state.json"
"""Name of the stored record in the host's folder."""

SCHEMA = 3
"""Version of the stored record. Increase it when stored records can no longer be read. Version 1 had no number."""


@dataclass
class Unit:
    """A systemd unit."""

    active: bool = False
    enabled: bool = False
    from_file: bool = False
    """Whether it exists because of a file in /etc/systemd/system."""


@dataclass
class HostState:
    """State that every kind of host has."""

    packages: list[str] = field(default_factory=list)
    """Installed with dnf, sorted."""
    units: dict[str, Unit] = field(default_factory=dict)
    """By name without `.service`; sshd and chronyd, which never change, are not listed."""


# -- UFM's node


@dataclass
class Interface:
    """A network interface of UFM's node."""

    up: bool
    addresses: list[str]
    """With prefix length, e.g. "11.11.11.253/24"."""
    infiniband: bool = False


@dataclass
class Image:
    """An image in Docker's store."""

    id: str
    created: float
    """Seconds since the epoch."""


@dataclass
class Container:
    """A container of Docker."""

    id: str
    image: str
    image_id: str
    created: float
    """Seconds since the epoch."""
    since: float
    """When it was last started or stopped, in seconds since the epoch."""
    running: bool
    mounts: dict[str, str]
    """Path on the host → path in the container."""
    rm: bool
    """Whether it is removed when it stops."""
    ufmd: bool = True
    """Whether ufmd starts in it."""
    pid: int = 0
    """Process ID of ufmd."""
    starting: int = 0
    """How many more status queries report ufmd as stopped."""


@dataclass
class UfmData:
    """UFM's data, which outlive its containers."""

    files: str
    """Folder on the host."""
    release: str | None
    """None if the image's tag names no release."""


UFM_PACKAGES = {
    "docker-ce": "5:24.0.2-1~ubuntu.18.04~bionic",
    "docker-ce-cli": "5:24.0.2-1~ubuntu.18.04~bionic",
    "containerd.io": "1.6.21-1",
}
"""Docker, as the guide has it installed before."""


@dataclass
class UfmState(HostState):
    """State of UFM's node."""

    interfaces: dict[str, Interface] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)
    """Docker's, by full name."""
    containers: dict[str, Container] = field(default_factory=dict)
    """Docker's, by name."""
    ufm: UfmData | None = None
    debs: dict[str, str] = field(default_factory=lambda: dict(UFM_PACKAGES))
    """Debian package that the lab imitates → its version."""
    apt_lists: list[str] = field(default_factory=list)
    """URLs of the sources that `apt-get update` has read; Ubuntu's own are ""."""
    ofed_release: str = "5.6-2.0.9.0"
    """Release of MLNX_OFED, if it is installed."""
    ofed: bool = True
    """Whether MLNX_OFED is installed. Set by tests, as the following fields."""
    free_gib: int = 111
    """Free space of the root partition."""
    modules_in_use: bool = False
    """Whether the modules of the loaded driver cannot be removed before a reboot."""
    apt_locks: int = 0
    """How many more calls of apt-get find another package manager at work."""
    offline: bool = False
    """Whether the registry cannot be reached."""
    broken_releases: list[str] = field(default_factory=list)
    """Releases whose ufmd does not start."""
    own_certificate: bool = False
    """Whether UFM's web server keeps its own certificate although its folder has another one."""
    slow_starts: int = 0
    """How many status queries report a started ufmd as stopped."""


# -- the undercloud


@dataclass
class UndercloudLogin:
    """The installed undercloud's administrator."""

    password: str
    auth_url: str


@dataclass
class StepFault:
    """What happens to a long command at `lab.hosts.step_faults.STEP`."""

    hold: bool = False
    """Whether it stands still."""
    fails: int = 0
    """How many more times it fails."""


@dataclass
class IronicNode:
    """A record of ironic."""

    name: str
    uuid: str
    pm_addr: str
    pm_user: str
    accepted: bool = field(default=True, kw_only=True)
    """Whether the BMC accepts user and password. The password is not stored."""
    ports: list[dict[str, Any]]
    capabilities: dict[str, str]
    state: str = "enroll"
    """The provisioning state, in ironic's words."""
    maintenance: bool = False
    instance: str | None = None
    """UUID."""
    root_device: str = ""
    """Device name; empty before it was configured."""
    data: dict[str, Any] | None = None
    """What ironic-inspector stores; None before the introspection."""


@dataclass
class UndercloudState(HostState):
    """State of the undercloud."""

    login: UndercloudLogin | None = None
    """None before the installation."""
    clean_nodes: bool = False
    """undercloud.conf's clean_nodes at the last installation."""
    nodes: list[IronicNode] = field(default_factory=list)
    """In the order of their import."""
    overcloud_image: str = ""
    """SHA-256 of the uploaded overcloud image; empty before the upload."""
    networks: list[str] = field(default_factory=list)
    """Overcloud networks that are provisioned, by `name_lower`."""
    built: dict[str, list[str]] = field(default_factory=dict)
    """Guest image → elements that disk-image-create built it from."""
    step_faults: dict[str, StepFault] = field(default_factory=dict)
    """By command, e.g. "overcloud deploy". Set by tests, as the following field."""
    cloud_init_user: str = "stack"
    """Default user of images with NVIDIA's element cloud-init-config, whose text is not public; or centos."""
    released_templates: bool = False
    """Whether the package holds TripleO's templates as released instead of the branch's."""


# -- nodes


@dataclass
class PortFaults:
    """How the wired InfiniBand port differs from the plan, as Linux shows it. None: no difference."""

    interface: str | None = None
    guid: str | None = None
    carrier: bool | None = None


FACTORY_BMC = "lab-ipmi"
"""The default password of every BMC."""


@dataclass
class HardwareFaults:
    """Faults of a node that tests inject."""

    stuck: list[str] = field(default_factory=list)
    """Firmware parameters whose new value is lost at the next boot."""
    dead: bool = False
    """Whether the node does not come back from a reboot."""
    bios: dict[str, bool | str] = field(default_factory=dict)
    """BIOS settings that differ from `Node.bios`, from the next boot on."""
    hca: PortFaults = field(default_factory=PortFaults)
    bmc_password: str = FACTORY_BMC
    """Password of the BMC's user."""


@dataclass
class NodeState(HostState):
    """State of a bare-metal node."""

    powered: bool = False
    link_failures: int = 0
    """How many more times the InfiniBand link stays down when the node is powered on. Set by tests."""
    hostname: str = ""
    """The full name that provisioning gave it; empty while it is not provisioned."""
    user: str = ""
    """The user that provisioning created."""
    deployed: bool = False
    """Whether a deployment has started its services."""
    kernel_args: str | None = None
    """Kernel arguments of the deployment; None before it."""
    container_images: dict[str, str] = field(default_factory=dict)
    """Image of each container that the deployment has started."""
    stopped: list[str] = field(default_factory=list)
    """Containers that were stopped by their units, sorted. nova_compute has its own health."""
    firmware: dict[str, int] = field(default_factory=dict)
    """Current settings of the HCA that differ from the factory's."""
    firmware_next: dict[str, int] = field(default_factory=dict)
    """Settings that become current at the next boot (H3)."""
    faults: HardwareFaults = field(default_factory=HardwareFaults)


@dataclass
class ControllerState(NodeState):
    """State of a controller."""

    cluster_stopped: bool = False
    """Whether pacemaker was stopped since the last boot."""


NovaHealth = Literal["healthy", "starting", "unhealthy", "stopped"]


@dataclass
class ComputeState(NodeState):
    """State of a compute."""

    acs: dict[str, int] = field(default_factory=dict)
    """PCI bridge → ACSCtl, where it was changed since the last boot (B2)."""
    read_request: int = 2
    """Code of the adapter's MaxReadReq: 2 is 512 bytes, the BIOS's value after each boot."""
    nova: NovaHealth = "healthy"
    """The container nova_compute."""
    vfs: int = 0
    """How many VFs exist."""
    boot_vfs: int = 0
    """How many VFs os-net-config creates at boot."""


# -- guests


@dataclass
class GpuSettings:
    """Settings of a guest's GPU (B4)."""

    persistence: bool = False
    clock: int | None = None
    """Locked graphics clock in MHz; None: not locked."""
    mig: bool = False


@dataclass
class GuestState(HostState):
    """State of a VM."""

    image: str = ""
    """Name of the image it was created from."""
    modules: list[str] = field(default_factory=list)
    """Loaded kernel modules of the GPU, sorted."""
    gpu: GpuSettings = field(default_factory=GpuSettings)


# -- storage

S = TypeVar("S", bound=HostState)


def load(file: Path, kind: type[S]) -> S:
    """Return the record in `file`, or the factory state if there is no such file.

    Raises:
        LabError: an earlier version of the lab wrote the file, or it is damaged.
    """
    if not file.exists():
        return kind()
    check(file)
    try:
        state: S = _adapter(kind).validate_python(json.loads(file.read_text())["state"])
    except (ValidationError, KeyError) as error:
        raise LabError(f"hosts: reading {file}: it is not a valid {kind.__name__}: {error}. {REBUILD}") from error
    return state


def save(file: Path, state: HostState) -> None:
    """Replace `file` with this record. Only root can read it: the record holds passwords."""
    document = {"schema": SCHEMA, "state": _adapter(type(state)).dump_python(state, mode="json")}
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(document, indent=1))
    fresh.replace(file)


REBUILD = "Stop the lab (make lab-stop), remove its folder (.lab) and start it again (make lab)"


def check(file: Path) -> None:
    """Check that this version of the lab can read `file`.

    Raises:
        LabError: it cannot; the text says how to rebuild the lab.
    """
    try:
        schema = json.loads(file.read_text()).get("schema", 1)
    except (ValueError, AttributeError) as error:
        raise LabError(f"hosts: reading {file}: it is damaged ({error}). {REBUILD}") from error
    if schema != SCHEMA:
        raise LabError(
            f"hosts: reading {file}: another version of the lab wrote it (schema {schema}, needed: {SCHEMA}). {REBUILD}"
        )


_ADAPTERS: dict[type[HostState], TypeAdapter[Any]] = {}


def _adapter(kind: type[HostState]) -> TypeAdapter[Any]:
    """Return the pydantic adapter of a record; each is created once."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]
