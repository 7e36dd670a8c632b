"""Configuration of the undercloud and of the sources of its packages and containers (C1 to C5)."""

from ipaddress import IPv4Address
from typing import Literal

from pydantic import Field

from rack.distribution import DISTRIBUTIONS, Distribution, Release, registry_of
from rack.site.model import Address, File, Model
from rack.site.names import (
    ContainerNamespace,
    ContainerTag,
    Folder,
    HostFile,
    Hostname,
    Interface,
    RegistryUser,
    RepositoryId,
    Url,
)


class Repository(Model):
    """yum repository of the site.

    With one or more of them, the undercloud, the containers that are rebuilt (C3), the images that are built (C5) and
    the overcloud nodes use no others.
    """

    id: RepositoryId
    """ID: the section's name in the .repo file."""
    baseurl: Url
    """URL of the folder that contains `repodata`."""
    gpgkey: Url | None = None
    """URL of the key that signed the packages. If omitted, signatures are not checked."""


class Registry(Model):
    """Access to the registry in `containerNamespace` (C3)."""

    user: RegistryUser | None = None
    """User for the login; the password is the secret `registryPassword`. If omitted, there is no login."""
    ca_file: File | None = None
    """Certificate authority of the registry, installed on the undercloud. If omitted, the system's authorities are
    trusted."""
    insecure: bool = False
    """Whether the registry uses HTTP, or HTTPS with a certificate that is not verified."""


class UndercloudSpec(Model):
    """Host that runs TripleO (C1)."""

    distribution: Release = Release.RDO_WALLABY
    """Distribution of TripleO: the guide's, or Red Hat's, which needs a subscription and RHEL (C1, C3, C5)."""
    address: Address
    """Address on the provisioning network. The next two addresses are its public and admin addresses (C2)."""
    management_address: Address | None = None
    """Address to which SSH connects. If omitted, `address`, which must then exist before `openstack undercloud install`
    configures it (C4)."""
    hostname: Hostname = "rdo-director.localdomain"
    """Host name (C2)."""
    interface: Interface = "eno1"
    """Interface on the provisioning network (C2)."""
    root_gib: int = Field(default=100, ge=100, le=65536)
    """Required size of the root partition in GiB (C1)."""
    images_dir: Folder = "/home/stack/images"
    """Folder in which overcloud and guest images are built (C5, G1)."""
    elements_path: Folder = "/opt/dib-elements"
    """Folder with the image elements that are not part of diskimage-builder: mofed, cuda, gpudirect-bench, … (G1,
    G2)."""
    repositories: tuple[Repository, ...] = ()
    tripleo_repos_url: Url | None = None
    """URL of the repository with the package python3-tripleo-repos, or of the package itself if it ends in `.rpm` (C1).
    If omitted, RDO's: https://trunk.rdoproject.org/centos8/component/tripleo/current."""
    registry: Registry = Registry()
    container_namespace: ContainerNamespace | None = None
    """Registry and namespace of TripleO's containers (C3). If omitted, the distribution's: quay.io/tripleowallaby or
    registry.redhat.io/rhosp-rhel9."""
    mlnx_container_namespace: ContainerNamespace | None = None
    """Registry and namespace of the neutron-mlnx-agent container (C3). If omitted, `containerNamespace`."""
    container_tag: ContainerTag | None = None
    """Tag of the containers (C3), used unchanged. If omitted, the release that the distribution's tag, current-tripleo
    or 17.1, points to."""
    images_archive: HostFile | None = None
    """Path on the undercloud of a tar with the overcloud's disk images and ironic-python-agent, instead of a build or
    an installation (C5). A changed archive needs a new path."""
    boot_mode: Literal["bios", "uefi"] = "bios"
    """Boot mode of the nodes (I1)."""
    clean_nodes: bool = True
    """Whether ironic wipes the disks of nodes that are provided or removed: a few minutes per node (C2)."""
    introspection_minutes: int = Field(default=90, ge=1, le=1440)
    """Minutes until UFM must have seen the port of every node, repeated introspection included (I2, I4)."""
    introspection_repeats: int = Field(default=2, ge=0, le=10)
    """Number of times that introspection is repeated for nodes whose port UFM has not seen (I2)."""

    @property
    def ssh_address(self) -> IPv4Address:
        """Return the address to which SSH connects."""
        return self.management_address or self.address

    @property
    def public_address(self) -> IPv4Address:
        """Return the address of the public endpoints, the first after `address` as in TripleO's samples (C2)."""
        return self.address + 1

    @property
    def admin_address(self) -> IPv4Address:
        """Return the address of the admin endpoints, the second after `address` as in TripleO's samples (C2)."""
        return self.address + 2

    @property
    def software(self) -> Distribution:
        """Return the settings of the distribution.

        Raises:
            KeyError: rule DIST001 refuses the distribution.
        """
        return DISTRIBUTIONS[self.distribution]

    @property
    def release_repository(self) -> str:
        """Return the URL from which the distribution's release package is installed; empty if that is not needed."""
        return "" if self.repositories else self.tripleo_repos_url or self.software.release_repository

    @property
    def namespace(self) -> str:
        """Return the registry and namespace of TripleO's containers."""
        return self.container_namespace or self.software.container_namespace

    @property
    def registry_host(self) -> str:
        """Return the host of the containers' registry; empty if `containerNamespace` has none."""
        return registry_of(self.namespace)
