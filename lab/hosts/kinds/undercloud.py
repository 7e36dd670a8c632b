"""The undercloud, which is the builder of guest images too (C1 to C7, G1, G2)."""

import sys

from lab.hosts import elements, templates
from lab.hosts.kinds.host import Host
from lab.hosts.state import UndercloudState
from rack.plan import HEAT_TEMPLATES

VENDOR_ELEMENTS = (
    "cloud-init-config",
    "cloud-init-net-conf-disabled",
    "rdma-core",
    "mofed",
    "cuda",
    "gpudirect-bench",
    "dhclient-hw",
)
"""Elements of NVIDIA's guide that diskimage-builder does not contain (G1, G2)."""
PYTHON_PACKAGES = f"lib/python3.{sys.version_info.minor}/dist-packages"
"""Folder below /usr/local in which the system's Python finds additional packages."""
REPOSITORIES = ("/etc/yum.repos.d/CentOS-Stream-BaseOS.repo", "/etc/yum.repos.d/cuda-rhel8.repo")
"""Files of a fresh CentOS Stream 8, and of NVIDIA's repository, which the element cuda needs."""
VENDOR_PATH = "/opt/dib-elements"
"""Their folder on the undercloud."""


class Undercloud(Host):
    """The undercloud. It runs from the start of the lab."""

    kind = "undercloud"
    state_type = UndercloudState
    state: UndercloudState

    def install_factory(self) -> None:
        """Install CentOS Stream 8 and the vendor's elements for disk-image-create."""
        self.install("localhost.localdomain")
        for name in VENDOR_ELEMENTS:
            text = f"{name}\n{'=' * len(name)}\nPlaceholder for the vendor's element.\n"
            self.root.write(f"{VENDOR_PATH}/{name}/README.rst", text)

    def prepare_builds(self) -> None:
        """Put diskimage-builder into place, and what NVIDIA's How-to has the operator download to the build host."""
        elements.install(self.root.local / PYTHON_PACKAGES)
        for name in ("/opt/MLNX_OFED_LINUX-5.6-1.0.3.3-rhel8.5-x86_64.iso", *REPOSITORIES):
            if not self.root.resolve(name).exists():
                self.root.write(name, "# placeholder of the lab\n")

    def install_templates(self) -> None:
        """Put TripleO's templates where the package has them.

        Raises:
            LabError: the lab's installation did not fetch them.
        """
        templates.install(self.root.resolve(HEAT_TEMPLATES), self.state.released_templates)

    def update_templates(self) -> None:
        """Bring the templates up to date if they are installed."""
        if self.root.resolve(HEAT_TEMPLATES).exists():
            self.install_templates()

    def release_templates(self, released: bool) -> None:
        """Make the package's templates those of the release, or of the branch if False. For tests."""
        with self.change():
            self.state.released_templates = released
        self.update_templates()
