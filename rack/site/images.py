"""Configuration of the guest images (G1, G2)."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator, Field

from rack.site.elements import STOCK, VENDOR
from rack.site.model import Address, File, Model
from rack.site.names import Folder, KernelRelease, Known, Label, Name, VariableName, VariableValue

OFED_FILE = "DIB_MOFED_FILE"
CUDA_URL = "DIB_CUDA_URL"
REPOSITORY_FILES = "DIB_YUM_REPO_CONF"

CUDA = "https://developer.download.nvidia.com/compute/cuda/11.6.0/local_installers/cuda_11.6.0_510.39.01_linux.run"

DEFAULTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "cloud-init-datasources": {"DIB_CLOUD_INIT_DATASOURCES": "OpenStack"},
        "dhcp-all-interfaces": {"DIB_DHCP_TIMEOUT": "30"},
        "mofed": {OFED_FILE: "/opt/MLNX_OFED_LINUX-5.6-1.0.3.3-rhel8.5-x86_64.iso"},
        "cuda": {
            REPOSITORY_FILES: "/etc/yum.repos.d/Cent* /etc/yum.repos.d/cuda-rhel8.repo",
            CUDA_URL: CUDA,
            "DIB_MODPROBE_BLACKLIST": "nouveau",
        },
        "gpudirect-bench": {"DIB_CUDA_PATH": "/usr/local/cuda-11.6"},
    }
)
"""Element to the variables of NVIDIA's How-to, with its values; MLNX_OFED is the guide's 5.6 (G2)."""


class Builder(Model):
    """Host that builds the guest images (G2), reached as the undercloud is: `ssh.user`, `ssh.port`, `ssh.proxy`.

    It needs diskimage-builder and NVIDIA's elements. Its host key is in `ssh.knownHostsFile`.
    """

    address: Address
    """Address at which SSH connects."""
    images_dir: Folder = "/var/lib/rack-images"
    """Folder in which the images are built."""
    elements_path: Folder = "/opt/dib-elements"
    """Folder with the elements that are not part of diskimage-builder."""


class Image(Model):
    """Guest image, built by disk-image-create (G1, G2) or supplied as a file."""

    name: Label
    """Name in Glance, and of the file."""
    elements: tuple[Annotated[Name, Known(tuple(sorted(VENDOR | STOCK)))], ...] = ()
    """Elements for disk-image-create, in order."""
    file: File | None = None
    """Path of a qcow2 image on the machine that runs pulumi, instead of a build. A changed image needs a new path."""
    release: Name = "8-stream"
    """DIB_RELEASE for disk-image-create."""
    gpu_builder: bool = False
    """Whether the elements need a build host with a CUDA GPU (G2)."""
    kernel: KernelRelease | None = None
    """Kernel release of the image, which the build host must run for the element cuda (G2). If omitted, it is not
    compared."""
    environment: Annotated[Mapping[VariableName, VariableValue], AfterValidator(MappingProxyType)] = Field(
        default_factory=lambda: MappingProxyType({})
    )
    """Variables for disk-image-create, beside those of NVIDIA's How-to: DIB_CLOUD_INIT_DATASOURCES, DIB_DHCP_TIMEOUT,
    DIB_MOFED_FILE, DIB_CUDA_URL, DIB_CUDA_PATH, DIB_YUM_REPO_CONF and DIB_MODPROBE_BLACKLIST, according to the
    elements. A change builds the image again."""

    @property
    def variables(self) -> dict[str, str]:
        """Return all variables: the defaults of the elements and those of the configuration."""
        defaults = [DEFAULTS.get(element, {}) for element in self.elements]
        return {**{name: value for group in defaults for name, value in group.items()}, **self.environment}

    @property
    def ofed_release(self) -> tuple[int, int] | None:
        """Return the release in the name of MLNX_OFED's file; None if the name has none, or no element needs it."""
        match = re.search(r"/MLNX_OFED_LINUX-(\d+)\.(\d+)[^/]*$", self.variables.get(OFED_FILE, ""))
        return (int(match[1]), int(match[2])) if match and "mofed" in self.elements else None
