"""What differs between the distributions of TripleO: here, and nowhere else (C1, C3, C5).

The guide's is RDO's Wallaby. Red Hat OpenStack Platform 17.1 is made of the same branch: its director takes the same
documents and commands, but it runs on RHEL, comes by subscription, and its containers and disk images have names of
their own. What the two have in common (the packages' names, stackrc, overcloudrc, the containers' prefix `openstack-`)
stands where it is used.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Release(StrEnum):
    """The distributions that a site may name."""

    RDO_WALLABY = "rdo-wallaby"
    RHOSP_17_1 = "rhosp-17.1"
    RHOSP_16_2 = "rhosp-16.2"


@dataclass(frozen=True)
class Distribution:
    """A TripleO that takes what this program ships."""

    os: str
    """ID and VERSION_ID of the undercloud's /etc/os-release, as `centos-8`."""
    os_title: str
    """The same for people."""
    container_namespace: str
    """The registry's namespace of TripleO's containers, neutron-mlnx-agent among them."""
    container_tag: str
    tag_label: str
    """The containers' label that holds the release behind the tag."""
    overcloud_image: str
    """Name of the overcloud's disk image, without .qcow2."""
    overcloud_user: str
    """The account that the deployment makes on the overcloud's nodes."""
    conditions: Mapping[str, str]
    """Shell tests that hold before root can get the repositories; each with what to say where it does not."""
    repositories: tuple[str, ...]
    """Shell lines by which root gets the client's repositories."""
    repository_files: tuple[str, ...]
    """What these write, and destroy removes."""
    images: tuple[str, ...]
    """Shell lines by which stack gets the disk images into its folder for them."""
    images_environment: Mapping[str, str]


RHEL_9_REPOSITORIES = (
    "rhel-9-for-x86_64-baseos-eus-rpms",
    "rhel-9-for-x86_64-appstream-eus-rpms",
    "rhel-9-for-x86_64-highavailability-eus-rpms",
    "openstack-17.1-for-rhel-9-x86_64-rpms",
    "fast-datapath-for-rhel-9-x86_64-rpms",
)
"""Red Hat's for a director of 17.1, and no others: EPEL's packages are newer than it wants them."""

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
            overcloud_user="heat-admin",
            conditions=MappingProxyType({}),
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
            overcloud_user="tripleo-admin",
            conditions=MappingProxyType(
                {"subscription-manager identity >/dev/null": "no subscription; subscription-manager register (C1)"}
            ),
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
"""Those that can be deployed."""

REFUSED: Mapping[Release, str] = MappingProxyType(
    {
        Release.RHOSP_16_2: "whose director is Train's: its `overcloud deploy` has no --vip-file and no "
        "--network-config, wants Heat's NIC templates, and its templates know no MlnxSDNToken",
    }
)
"""Those that cannot, and why (tripleoclient 12.6.0, tripleo-heat-templates 11.6.0)."""

PUBLIC_REGISTRIES = frozenset(("docker.io", "nvcr.io", "quay.io", "registry.connect.redhat.com", "registry.redhat.io"))
"""On the Internet."""
LOGIN_REGISTRY = "registry.redhat.io"
"""Gives nothing to whoever has not logged in."""


def registry_of(image: str) -> str:
    """The host in the name of a container image or a namespace, after Docker's rule; empty where it has none.

    `quay.io/tripleowallaby` → quay.io; `registry:5000/ufm` → registry:5000; `mellanox/ufm-enterprise` → ''.
    """
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else ""
