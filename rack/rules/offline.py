"""Design rules of a site without Internet access: sources of packages, containers and images (C1 to C5, G1, U5)."""

from collections.abc import Iterator
from ipaddress import IPv4Address
from urllib.parse import urlsplit

from rack.distribution import REFUSED, Release, registry_of
from rack.rules.common import servers, site_networks, urls
from rack.rules.registry import Finding, rule
from rack.rules.ufm import ufm_images
from rack.site import Site

OFFLINE = "with internet: false"


def _is_public(site: Site, image: str) -> bool:
    """Whether the name of a container image or a namespace leads to the Internet. Without a host it is Docker Hub's."""
    host = registry_of(image).partition(":")[0]
    return not host or _on_the_internet(site, host)


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
    """Look for namespaces at registries that are not the site's."""
    cloud = site.undercloud
    if site.internet or cloud.distribution in REFUSED:
        return
    namespaces = [("containerNamespace", cloud.namespace)]
    if cloud.mlnx_container_namespace:
        namespaces.append(("mlnxContainerNamespace", cloud.mlnx_container_namespace))
    for key, namespace in namespaces:
        if _is_public(site, namespace):
            found = f"{namespace!r}, {OFFLINE}"
            write = f"write the namespace in the site's registry{_or_domain(registry_of(namespace))}"
            yield Finding(f"undercloud.{key}", found, write)


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
    """Look for images of registries that are not the site's, where there is no archive."""
    if site.internet or not site.ufm.host or site.ufm.host.image_archive:
        return
    for path, image in ufm_images(site):
        if _is_public(site, image):
            write = f"write ufm.host.imageArchive, or the image in the site's registry{_or_domain(registry_of(image))}"
            yield Finding(path, f"{image!r}, {OFFLINE}", write)


OWN = (
    "localdomain", "local", "internal", "intranet", "private", "corp", "home", "lan", "home.arpa", "localhost",
    "test", "example", "invalid", "example.com", "example.net", "example.org",
)  # fmt: skip
"""Domains that no public name server knows: RFC 2606, 6761, 6762 (appendix G) and 8375, ICANN's .internal, and
TripleO's localdomain."""


def _on_the_internet(site: Site, host: str) -> bool:
    """Whether a host is not known to be the site's own.

    An address is the site's own if it is private or in a network of the configuration. A name is the site's own if it
    has one label, or a domain of `OWN`, of the hosts, or of `siteDomains`: every other name may be public.
    """
    try:
        address = IPv4Address(host)
    except ValueError:
        hosts = (site.cloud.domain, site.undercloud.hostname.partition(".")[2])
        name = host.lower()
        return "." in name and not any(f".{name}".endswith(f".{own}") for own in (*OWN, *hosts, *site.site_domains))
    return address.is_global and not any(address in network for _, network in site_networks(site))


@rule("OFF006", "C2", "Without Internet access, name servers and time servers are the site's own.")
def servers_are_here(site: Site) -> Iterator[Finding]:
    """Look for names and addresses that are not the site's."""
    if site.internet:
        return
    p = site.networks.provisioning
    names = [(f"networks.provisioning.ntp[{i}]", name) for i, name in enumerate(p.ntp)]
    names += [(path, str(address)) for path, address in servers(site) if ".dns[" in path]
    for path, name in names:
        if _on_the_internet(site, name):
            yield Finding(path, f"{name!r}, {OFFLINE}", f"write the address of the site's server{_or_domain(name)}")


@rule("OFF007", "C1", "Without Internet access, packages come from the site's own mirrors.")
def mirrors_are_here(site: Site) -> Iterator[Finding]:
    """Look for public hosts in the URLs of repositories and packages."""
    if site.internet:
        return
    for path, url in urls(site):
        host = urlsplit(url).hostname or ""
        if _on_the_internet(site, host):
            yield Finding(path, f"{url!r}, {OFFLINE}", f"write the URL of the site's mirror{_or_domain(host)}")


def _or_domain(host: str) -> str:
    """Return the advice to declare the domain of a name; nothing for an address, or without a host."""
    bare = host.partition(":")[0]
    return (
        ""
        if not bare or bare.rpartition(".")[2].isdigit()
        else ", or its domain in siteDomains if it is the site's own"
    )
