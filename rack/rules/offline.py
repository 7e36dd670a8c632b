"""Design rules of a site without Internet access: sources of packages, containers and images (C1 to C5, G1, U5)."""

from collections.abc import Iterator
from ipaddress import IPv4Address
from urllib.parse import urlsplit

from rack.distribution import PUBLIC_REGISTRIES, REFUSED, Release, registry_of
from rack.rules.common import servers
from rack.rules.registry import Finding, rule
from rack.rules.ufm import ufm_images
from rack.site import Site

OFFLINE = "with internet: false"


def _is_public(image: str) -> bool:
    """Whether the name of a container image or a namespace leads to the Internet. Without a host it is Docker Hub's."""
    return registry_of(image) in ("", *PUBLIC_REGISTRIES)


@rule(
    "OFF001",
    "C1",
    "Without Internet access, RDO's packages come from the site's own repositories. Red Hat's packages may come from "
    "the Satellite with which the undercloud is registered.",
)
def packages_are_here(site: Site) -> Iterator[Finding]:
    """Look for repositories, where the distribution is RDO's."""
    rdo = site.undercloud.distribution == Release.RDO_WALLABY
    if not site.internet and rdo and not site.undercloud.repositories:
        yield Finding("undercloud.repositories", f"none, {OFFLINE}", "write the site's repositories")


@rule("OFF002", "C3", "Without Internet access, containers come from the site's own registry.")
def containers_are_here(site: Site) -> Iterator[Finding]:
    """Look for namespaces at public registries."""
    cloud = site.undercloud
    if site.internet or cloud.distribution in REFUSED:
        return
    namespaces = [("containerNamespace", cloud.namespace)]
    if cloud.mlnx_container_namespace:
        namespaces.append(("mlnxContainerNamespace", cloud.mlnx_container_namespace))
    for key, namespace in namespaces:
        if _is_public(namespace):
            found = f"{namespace!r}, a public registry, {OFFLINE}"
            yield Finding(f"undercloud.{key}", found, "write the namespace in the site's registry")


@rule("OFF003", "C5", "Without Internet access, the overcloud's disk images come from an archive on the undercloud.")
def disk_images_are_here(site: Site) -> Iterator[Finding]:
    """Look for the archive."""
    if not site.internet and not site.undercloud.images_archive:
        yield Finding("undercloud.imagesArchive", f"none, {OFFLINE}", "write the archive's path on the undercloud")


@rule("OFF004", "G1", "Without Internet access, guest images are files: disk-image-create downloads a base image.")
def guest_images_are_here(site: Site) -> Iterator[Finding]:
    """Look for images that would be built."""
    for i, image in enumerate(site.images):
        if not site.internet and not image.file:
            write = "write the path of a qcow2, and remove the elements"
            yield Finding(f"images[{i}].file", f"none, {OFFLINE}", write)


@rule(
    "OFF005",
    "U5",
    "Without Internet access, UFM's images come from an archive on UFM's host or from the site's own registry.",
)
def ufm_is_here(site: Site) -> Iterator[Finding]:
    """Look for images of public registries, where there is no archive."""
    if site.internet or not site.ufm.host or site.ufm.host.image_archive:
        return
    for path, image in ufm_images(site):
        if _is_public(image):
            found = f"{image!r}, from a public registry, {OFFLINE}"
            yield Finding(path, found, "write ufm.host.imageArchive, or the image in the site's registry")


PUBLIC_DOMAINS = (
    "ntp.org", "google.com", "cloudflare.com", "nist.gov", "windows.com", "apple.com", "amazonaws.com", "ubuntu.com",
    "debian.org", "centos.org", "fedoraproject.org", "rdoproject.org", "openstack.org", "opendev.org", "redhat.com",
    "quay.io", "docker.com", "docker.io", "github.com", "githubusercontent.com", "kernel.org", "nvidia.com",
    "mellanox.com",
)  # fmt: skip
"""Domains of public time servers and mirrors. Names of other domains are taken for the site's own."""


def _on_the_internet(host: str) -> bool:
    """Whether a host is a global address or a name of a public domain."""
    try:
        return IPv4Address(host).is_global
    except ValueError:
        return any(host == domain or host.endswith(f".{domain}") for domain in PUBLIC_DOMAINS)


@rule("OFF006", "C2", "Without Internet access, name servers and time servers are the site's own.")
def servers_are_here(site: Site) -> Iterator[Finding]:
    """Look for public names and addresses."""
    if site.internet:
        return
    p = site.networks.provisioning
    names = [(f"networks.provisioning.ntp[{i}]", name) for i, name in enumerate(p.ntp)]
    names += [(path, str(address)) for path, address in servers(site) if ".dns[" in path]
    for path, name in names:
        if _on_the_internet(name):
            yield Finding(path, f"{name!r}, on the Internet, {OFFLINE}", "write the address of the site's server")


@rule("OFF007", "C1", "Without Internet access, packages come from the site's own mirrors.")
def mirrors_are_here(site: Site) -> Iterator[Finding]:
    """Look for public hosts in the URLs of repositories and packages."""
    if site.internet:
        return
    for path, url in _package_urls(site):
        if _on_the_internet(urlsplit(url).hostname or ""):
            yield Finding(path, f"{url!r}, on the Internet, {OFFLINE}", "write the URL of the site's mirror")


def _package_urls(site: Site) -> Iterator[tuple[str, str]]:
    for i, repository in enumerate(site.undercloud.repositories):
        for key, url in (("baseurl", repository.baseurl), ("gpgkey", repository.gpgkey)):
            if url:
                yield f"undercloud.repositories[{i}].{key}", url
    if site.ufm.host:
        docker, ofed = site.ufm.host.install.docker, site.ufm.host.install.mlnx_ofed
        if docker and docker.repository:
            yield "ufm.host.install.docker.repository", docker.repository
        if ofed:
            yield "ufm.host.install.mlnxOfed.package", ofed.package
