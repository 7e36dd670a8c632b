"""Design rules of values that would overwrite or delete files of the hosts or of TripleO (C5, O5, U4, O2, T2)."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from rack.rules.common import entered, fixed_addresses, gateways, servers, sound_pools
from rack.rules.registry import Finding, rule
from rack.site import Site

BUILT = ("overcloud-full", "overcloud-hardened-full", "overcloud-hardened-uefi-full", "ironic-python-agent")
"""Names of the overcloud's own disk images (C5)."""
SYSTEM = frozenset(["bin", "boot", "dev", "etc", "lib", "lib64", "proc", "root", "run", "sbin", "sys", "tmp", "usr"])
SHARED = frozenset(f"/var/{name}" for name in ["cache", "lib", "log", "mail", "opt", "run", "spool", "tmp", "www"])
OTHERS = (
    *(f"/var/{name}" for name in ("backups", "cache", "log", "mail", "run", "spool", "tmp")),
    *(f"/var/lib/{name}" for name in ("apt", "containerd", "docker", "dpkg", "snapd", "systemd")),
)
"""Folders whose content belongs to other programs, at any depth."""
MADE = frozenset(["lo", "br-ex", "br-int", "br-tun", "br-ctlplane"])
"""Interfaces that Linux and TripleO make themselves."""


@rule(
    "RES001",
    "O5",
    "The cloud is not named `stack` or `undercloud`: its login would replace the undercloud's own, in `stackrc` or "
    "`clouds.yaml`.",
)
def cloud_named(site: Site) -> Iterator[Finding]:
    """Compare the cloud's name with the undercloud's.

    The deployment writes its login to /etc/openstack/clouds.yaml under the cloud's name (RootStackName), where stackrc
    of the undercloud reads `undercloud`.
    """
    files = {"stack": "stackrc", "undercloud": "clouds.yaml"}
    if file := files.get(site.cloud.name):
        yield Finding(
            "cloud.name", f"{site.cloud.name!r}, whose login in {file} is the undercloud's", "write another name"
        )


@rule("RES002", "C5", "No guest image has the name of one of the overcloud's disk images.")
def image_names_free(site: Site) -> Iterator[Finding]:
    """Compare each name with those that the build of the overcloud's images writes."""
    for i, image in enumerate(site.images):
        if image.name in BUILT:
            found = f"{image.name!r}, an image of the overcloud"
            yield Finding(f"images[{i}].name", found, "write another name")


@rule("RES003", "U4", "UFM's folders are dedicated, like /var/ufm_files: a failed upgrade deletes the content.")
def ufm_folders_dedicated(site: Site) -> Iterator[Finding]:
    """Look for folders of the system and for paths with `..`."""
    host = site.ufm.host
    for key, folder in (("filesDir", host.files_dir), ("licenseDir", host.license_dir)) if host else ():
        path = PurePosixPath(folder)
        parts = path.parts[1:]
        others = str(path) in SHARED or str(path.parent) == "/home" or any(map(path.is_relative_to, OTHERS))
        if ".." in parts or len(parts) < 2 or parts[0] in SYSTEM or others:
            found = f"{folder!r}, which is not a folder of UFM's own"
            yield Finding(f"ufm.host.{key}", found, "write a folder like /var/ufm_files, without ..")


@rule("RES004", "T2", "The tenant's network and subnet do not have the names of the public ones.")
def tenant_network_named(site: Site) -> Iterator[Finding]:
    """Compare the names: both are looked up by name."""
    public, tenant = site.external_access, site.tenant.network
    if public and tenant.name == public.network.name:
        yield Finding("tenant.network.name", f"{tenant.name!r}, the public network", "write another name")
    if public and tenant.subnet == public.network.subnet:
        yield Finding("tenant.network.subnet", f"{tenant.subnet!r}, the public subnet", "write another name")


@rule(
    "RES005", "O2", "Each interface of a node, and of UFM's host, has one use, and is none that Linux or TripleO makes."
)
def interfaces_apart(site: Site) -> Iterator[Finding]:
    """Compare the names on each kind of host."""
    networks, host = site.networks, site.ufm.host
    node = [
        ("networks.provisioning.interface", networks.provisioning.interface),
        ("networks.external.interface", networks.external.interface),
        ("fabric.interface", site.fabric.interface),
    ]
    ufm = [("ufm.host.managementInterface", host.management_interface)] if host else []
    ufm += [("ufm.host.fabricInterface", host.fabric_interface)] if host else []
    for path, name in (*node, *ufm, ("undercloud.interface", site.undercloud.interface)):
        if name in MADE:
            yield Finding(path, f"{name!r}, which is no network adapter", "write the name in `ip link`")
    for uses in (node, ufm):
        taken: dict[str | None, str] = {None: ""}
        for path, name in uses:
            if name and taken.setdefault(name, path) != path:
                yield Finding(path, f"{name!r}, the interface of {taken[name]}", "write another interface")


@rule("RES006", "C6", "The address of a management controller is the address of nothing else, and in no range.")
def ipmi_addresses_apart(site: Site) -> Iterator[Finding]:
    """Compare each BMC's address with all others and with the ranges."""
    used = {address: path for path, address in (*fixed_addresses(site), *servers(site))}
    used |= {address: path for path, address, _ in gateways(site)}
    used |= {address: path for path, address in entered(site)}
    for i, node in enumerate(site.nodes):
        address = node.ipmi.address
        users = [pool.path for pool in sound_pools(site) if address in pool.range]
        users += [used[address]] if address in used else []
        if users:
            found = f"{address}, which is in use by {users[0]}"
            yield Finding(f"nodes[{i}].ipmi.address", found, "write the BMC's own address")


@rule(
    "RES007",
    "C5",
    "The folders and the archive that user stack reads on the undercloud are not root's own. Their paths, and those of "
    "the builder, are without `..`.",
)
def stack_can_read(site: Site) -> Iterator[Finding]:
    """Look for paths below /root, which only root may enter, and for paths that lead elsewhere than they look."""
    cloud = site.undercloud
    paths = {"imagesDir": cloud.images_dir, "elementsPath": cloud.elements_path, "imagesArchive": cloud.images_archive}
    own = {"imagesDir": site.builder.images_dir, "elementsPath": site.builder.elements_path} if site.builder else {}
    listed = [*((f"undercloud.{k}", v) for k, v in paths.items()), *((f"builder.{k}", v) for k, v in own.items())]
    for key, path in listed:
        if path and ".." in PurePosixPath(path).parts:
            yield Finding(key, repr(path), "write it without ..")
    for key, path in paths.items():
        if path and PurePosixPath(path).is_relative_to("/root"):
            found = f"{path!r}, which user stack cannot read"
            yield Finding(
                f"undercloud.{key}", found, "write a path that stack can read, such as below /home/stack or /srv"
            )
