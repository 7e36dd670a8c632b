"""Differences between the distributions of TripleO (C1, C3, C5).

The guide uses RDO's Wallaby. Red Hat OpenStack Platform 17.1 is based on the same branch: its director accepts the same
documents and commands. It runs on RHEL, needs a subscription, and names its containers and disk images differently.
Values that both share (package names, stackrc, overcloudrc, the container prefix `openstack-`) are where they are used.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Release(StrEnum):
    """Distribution in the configuration of a site."""

    RDO_WALLABY = "rdo-wallaby"
    RHOSP_17_1 = "rhosp-17.1"
    RHOSP_16_2 = "rhosp-16.2"


@dataclass(frozen=True)
class Distribution:
    """Distribution whose TripleO accepts the shipped documents."""

    os: str
    """ID and VERSION_ID in /etc/os-release of the undercloud: `centos-8`."""
    os_title: str
    """Name of the operating system in messages."""
    container_namespace: str
    """Registry and namespace of TripleO's containers, including neutron-mlnx-agent."""
    container_tag: str
    """Default tag of the containers."""
    tag_label: str
    """Label of the containers with the release that the tag points to."""
    overcloud_image: str
    """Name of the overcloud's disk image, without `.qcow2`."""
    conditions: Mapping[str, str]
    """Shell tests that must succeed before the repositories can be enabled, each with the message if it fails."""
    release_repository: str
    """URL of the repository with the package that `repositories` starts with, which no repository of a fresh host has;
    empty if there is none."""
    repositories: tuple[str, ...]
    """Shell commands, run as root, that enable the repositories of the client."""
    repository_files: tuple[str, ...]
    """Files that these commands write. Destroy removes them."""
    images: tuple[str, ...]
    """Shell commands, run as stack, that place the disk images into the current folder."""
    images_environment: Mapping[str, str]
    """Environment variables of these commands."""


RHEL_9_REPOSITORIES = (
    "rhel-9-for-x86_64-baseos-eus-rpms",
    "rhel-9-for-x86_64-appstream-eus-rpms",
    "rhel-9-for-x86_64-highavailability-eus-rpms",
    "openstack-17.1-for-rhel-9-x86_64-rpms",
    "fast-datapath-for-rhel-9-x86_64-rpms",
)
"""All repositories of a 17.1 director. Others such as EPEL have newer packages than it supports."""

DIRECTOR_IMAGES = "/usr/share/rhosp-director-images"

DISTRIBUTIONS: Mapping[Release, Distribution] = MappingProxyType(
    {
        Release.RDO_WALLABY: Distribution(
            os="centos-8",
            os_title="CentOS Stream 8",
            container_namespace="quay.io/tripleowallaby",
            container_tag="current-tripleo",
            tag_label="rdo_version",
            overcloud_image="overcloud-full",
            conditions=MappingProxyType({}),
            release_repository="https://trunk.rdoproject.org/centos8/component/tripleo/current",
            repositories=("dnf install -y python3-tripleo-repos", "sudo -E tripleo-repos -b wallaby current"),
            repository_files=("/etc/yum.repos.d/delorean*.repo", "/etc/yum.repos.d/tripleo-centos-*.repo"),
            images=("openstack overcloud image build",),
            images_environment=MappingProxyType(
                {"DIB_RELEASE": "8-stream", "DIB_YUM_REPO_CONF": "/etc/yum.repos.d/*", "STABLE_RELEASE": "wallaby"}
            ),
        ),
        Release.RHOSP_17_1: Distribution(
            os="rhel-9.2",
            os_title="Red Hat Enterprise Linux 9.2",
            container_namespace="registry.redhat.io/rhosp-rhel9",
            container_tag="17.1",
            tag_label="{version}-{release}",
            overcloud_image="overcloud-hardened-uefi-full",
            conditions=MappingProxyType(
                {"subscription-manager identity >/dev/null": "no subscription; subscription-manager register (C1)"}
            ),
            release_repository="",
            repositories=(
                "subscription-manager release --set=9.2",
                "subscription-manager repos '--disable=*' "
                + " ".join(f"--enable={name}" for name in RHEL_9_REPOSITORIES),
            ),
            repository_files=(),
            images=(
                "sudo dnf install -y rhosp-director-images-uefi-x86_64 rhosp-director-images-ipa-x86_64",
                f"tar -xf {DIRECTOR_IMAGES}/overcloud-hardened-uefi-full-latest.tar",
                f"tar -xf {DIRECTOR_IMAGES}/ironic-python-agent-latest.tar",
            ),
            images_environment=MappingProxyType({}),
        ),
    }
)
"""Distributions that can be deployed."""

REFUSED: Mapping[Release, str] = MappingProxyType(
    {
        Release.RHOSP_16_2: "which is based on Train: its `overcloud deploy` has no --vip-file and no "
        "--network-config, requires Heat's NIC templates, and its templates have no MlnxSDNToken",
    }
)
"""Distributions that cannot be deployed, with the reason (tripleoclient 12.6.0, tripleo-heat-templates 11.6.0)."""

RELEASE_PACKAGE = "python3-tripleo-repos"
"""Package in a distribution's `release_repository`."""
LOGIN_REGISTRY = "registry.redhat.io"
"""Registry that requires a login for every pull."""


def registry_of(image: str) -> str:
    """Return the host in the name of a container image or a namespace, by Docker's rule; empty if there is none.

    `quay.io/tripleowallaby` → quay.io; `registry:5000/ufm` → registry:5000; `mellanox/ufm-enterprise` → ''.
    """
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else ""
