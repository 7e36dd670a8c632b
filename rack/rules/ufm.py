"""Design rules of the host that runs UFM (U3 to U5)."""

from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import PurePosixPath

from rack.rules.common import reached, site_networks
from rack.rules.registry import Finding, rule
from rack.site import Site
from rack.site.names import image_tag, is_host
from rack.site.problems import shown_text


def ufm_images(site: Site) -> list[tuple[str, str]]:
    """Return UFM's image and its installer's, with their paths; none where UFM's host is not in the configuration."""
    host = site.ufm.host
    named = [("image", host.image), ("installerImage", host.installer_image)] if host else []
    return [(f"ufm.host.{key}", image) for key, image in named if image]


@rule(
    "UFM001",
    "U5",
    "UFM's images are pinned by a digest or by a tag other than `latest`, so that each upgrade is a decision.",
)
def images_pinned(site: Site) -> Iterator[Finding]:
    """Look for images without a digest and without a tag of a release."""
    for path, image in ufm_images(site):
        if "@" not in image and image_tag(image) in ("", "latest"):
            write = "pin a release, e.g. :6.14.5-2 (`docker image ls` on the UFM host shows the tags), or a digest"
            yield Finding(path, repr(image), write)


@rule(
    "UFM002",
    "U3",
    "The dummy address of UFM's fabric interface belongs to no network in use, and no BMC or server is in its network: "
    "UFM would have a wrong route to it.",
)
def dummy_address(site: Site) -> Iterator[Finding]:
    """Compare the dummy address with every network, the public one included."""
    if not site.ufm.host:
        return
    dummy, public = site.ufm.host.fabric_address, site.external_access
    ends = (dummy.network.network_address, dummy.network.broadcast_address) if dummy.network.prefixlen < 31 else ()
    if not is_host(dummy.ip) or dummy.ip.is_loopback or dummy.ip in ends:
        write = "write the address of a host with its prefix, like 172.31.255.1/30"
        yield Finding("ufm.host.fabricAddress", f"{dummy}, which no host may have", write)
        return
    public_network = [("externalAccess.network.cidr", public.network.cidr)] if public else []
    hosts = [(path, IPv4Network(address)) for path, address in reached(site)]
    for path, network in [*site_networks(site), *public_network, *hosts]:
        if dummy.network.overlaps(network):
            found = f"{dummy}, which overlaps {path} {network}"
            write = "remove it to take the default, or write an address of a network that is not in use"
            yield Finding("ufm.host.fabricAddress", found, write)
            return


@rule("UFM003", "U5", "Images from an archive are named by tag: `docker load` restores no digests.")
def archive_tags(site: Site) -> Iterator[Finding]:
    """Look for digests beside an archive."""
    if site.ufm.host and site.ufm.host.image_archive:
        for path, image in ufm_images(site):
            if "@" in image:
                yield Finding(path, repr(image), "write the tag that the archive contains, or remove imageArchive")


@rule(
    "UFM004",
    "U4",
    "UFM's files and its licence are in separate folders: destroy deletes the files, and the licence folder contains "
    "the licence only.",
)
def ufm_folders(site: Site) -> Iterator[Finding]:
    """Look for a folder inside the other."""
    if site.ufm.host:
        files, licenses = PurePosixPath(site.ufm.host.files_dir), PurePosixPath(site.ufm.host.license_dir)
        if files.is_relative_to(licenses) or licenses.is_relative_to(files):
            found = f"{site.ufm.host.license_dir!r}, where filesDir is {site.ufm.host.files_dir!r}"
            yield Finding("ufm.host.licenseDir", found, "write a folder that is not inside the other")


@rule("UFM005", "U7", "One key says how UFM's certificate is verified; a pinned fingerprint is an existing UFM's.")
def one_way_to_verify(site: Site) -> Iterator[Finding]:
    """Look for keys that exclude each other."""
    ufm = site.ufm
    if ufm.insecure:
        given = {"caFile": ufm.ca_file, "fingerprint": ufm.fingerprint, "serverName": ufm.server_name}
        for key, value in given.items():
            if value:
                yield Finding(f"ufm.{key}", f"{shown_text(str(value))} beside insecure: true", "remove insecure")
    elif ufm.fingerprint and ufm.ca_file:
        yield Finding("ufm.fingerprint", f"{ufm.fingerprint!r} beside caFile", "remove one of them")
    elif ufm.fingerprint and ufm.host:
        write = "remove it: the certificate is read on UFM's host over SSH"
        yield Finding("ufm.fingerprint", f"{ufm.fingerprint!r} beside host", write)


@rule("UFM006", "U1", "An apt repository for Docker has a public key: apt-get refuses packages that are not signed.")
def docker_key(site: Site) -> Iterator[Finding]:
    """Look for one without the other."""
    docker = site.ufm.host.install.docker if site.ufm.host else None
    if docker and docker.repository and not docker.key_file:
        write = "write the file with the public key, which the repository offers as `gpg`"
        yield Finding("ufm.host.install.docker.keyFile", f"none beside {docker.repository}", write)
    elif docker and docker.key_file and not docker.repository:
        yield Finding(
            "ufm.host.install.docker.keyFile", shown_text(str(docker.key_file)), "write repository, or remove it"
        )
