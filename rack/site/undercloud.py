"""The undercloud, and where its packages and containers come from (C1 to C5)."""

from ipaddress import IPv4Address
from typing import Literal

from pydantic import Field

from rack.distribution import DISTRIBUTIONS, Distribution, Release, registry_of
from rack.site.model import Address, File, Model
from rack.site.names import (
    ContainerImage,
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
    """A yum repository of the site's own: with one or more, no other is asked any more, by the undercloud, the
    containers that are rebuilt (C3), the images that are built (C5) or the overcloud's nodes."""

    id: RepositoryId
    """In brackets, the section of the .repo file."""
    baseurl: Url
    """The folder above `repodata`."""
    gpgkey: Url | None = None
    """Of the key that signed the packages. Left out: signatures are not checked."""


class Registry(Model):
    """What the registry that `containerNamespace` names asks for (C3)."""

    user: RegistryUser | None = None
    """Who logs in; the password is the secret `registryPassword`. Left out: no login."""
    ca_file: File | None = None
    """The authority of its certificate, made known to the undercloud; the system's where left out."""
    insecure: bool = False
    """It speaks HTTP, or its certificate is not verified."""


class UndercloudSpec(Model):
    """The node that runs TripleO (C1)."""

    distribution: Release = Release.RDO_WALLABY
    """Whose TripleO it is: the guide's, or Red Hat's, which comes by subscription and runs on RHEL (C1, C3, C5)."""
    address: Address
    """On the provisioning network; the two addresses after it are its public and its admin one (C2)."""
    hostname: Hostname = "rdo-director.localdomain"
    """Its own name (C2)."""
    interface: Interface = "eno1"
    """Its interface on the provisioning network (C2)."""
    root_gib: int = Field(default=100, ge=100)
    """Size of the root partition that C1 asks for, in GiB."""
    images_dir: Folder = "/home/stack/images"
    """Where overcloud and guest images are built (C5, G1)."""
    elements_path: Folder = "/opt/dib-elements"
    """The image elements that diskimage-builder does not carry: mofed, cuda, gpudirect-bench, … (G1, G2)."""
    repositories: tuple[Repository, ...] = ()
    registry: Registry = Registry()
    container_namespace: ContainerImage | None = None
    """The registry's namespace of TripleO's containers (C3). Left out: the distribution's, quay.io/tripleowallaby or
    registry.redhat.io/rhosp-rhel9."""
    mlnx_container_namespace: ContainerImage | None = None
    """That of neutron-mlnx-agent (C3). Left out: as `containerNamespace`."""
    container_tag: ContainerTag | None = None
    """The containers' tag (C3), taken as it is. Left out: the release behind the distribution's, current-tripleo or
    17.1."""
    images_archive: HostFile | None = None
    """A tar of the overcloud's disk images and of ironic-python-agent, a file on the undercloud: none is built or
    installed then (C5). Another archive has another name."""
    boot_mode: Literal["bios", "uefi"] = "bios"
    """How the nodes boot (I1)."""
    clean_nodes: bool = True
    """Whether ironic wipes the disks of nodes that are provided or leave the cloud: some minutes a node (C2)."""
    introspection_minutes: int = Field(default=90, ge=1, le=1440)
    """The time limit until UFM has seen every node's port, repeated introspection included (I2, I4)."""
    introspection_repeats: int = Field(default=2, ge=0, le=10)
    """How often nodes are introspected again whose port UFM has not seen (I2)."""

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
        """What the distribution brings; KeyError for one that rule DIST001 refuses."""
        return DISTRIBUTIONS[self.distribution]

    @property
    def namespace(self) -> str:
        """Of TripleO's containers."""
        return self.container_namespace or self.software.container_namespace

    @property
    def registry_host(self) -> str:
        """The registry's; empty where `containerNamespace` names none."""
        return registry_of(self.namespace)
