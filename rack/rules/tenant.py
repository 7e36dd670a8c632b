"""Design rules of the tenant's instances and of what they use on the computes (T5, H2, O4, X3, B5)."""

from collections import Counter
from collections.abc import Iterator

from rack.rules.common import duplicates, one_of
from rack.rules.registry import Finding, rule
from rack.site import Role, Site
from rack.site.names import cpus
from rack.site.problems import shown_text


@rule("CPU001", "O4", "The instances' CPUs and the host's CPUs do not overlap.")
def cpus_apart(site: Site) -> Iterator[Finding]:
    """Intersect the two lists of CPUs."""
    both = cpus(site.compute.dedicated_cpus) & cpus(site.compute.shared_cpus)
    if both:
        found = f"{', '.join(map(str, sorted(both)))}, which dedicatedCpus lists too"
        yield Finding("compute.sharedCpus", found, "write each CPU into one of the two lists")


@rule("VM001", "T5", "Each instance names an existing compute and image. Names of instances and ports are unique.")
def instances_placed(site: Site) -> Iterator[Finding]:
    """Look up each instance's compute and image, then look for duplicate names."""
    computes = {n.name for n in site.nodes if n.role == Role.COMPUTE}
    images = {i.name for i in site.images}
    for i, vm in enumerate(site.tenant.instances):
        path = f"tenant.instances[{i}]"
        if vm.compute not in computes:
            yield Finding(f"{path}.compute", repr(vm.compute), one_of(computes, "nodes"))
        if vm.image not in images:
            yield Finding(f"{path}.image", repr(vm.image), one_of(images, "images"))
    for key in ("name", "port"):
        listed = [(f"tenant.instances[{i}].{key}", getattr(vm, key)) for i, vm in enumerate(site.tenant.instances)]
        for path, value in duplicates(listed):
            yield Finding(path, f"{value!r} more than once", "write a unique name")


def _instances_per_compute(site: Site) -> Counter[str]:
    return Counter(vm.compute for vm in site.tenant.instances)


@rule("VM002", "H2", "A compute has one VF per instance that is pinned to it.")
def enough_vfs(site: Site) -> Iterator[Finding]:
    """Compare the number of VFs with the instances of each compute."""
    for compute, count in _instances_per_compute(site).most_common(1):
        if count > site.compute.vfs:
            found = f"{site.compute.vfs} for {count} instances on {compute}"
            yield Finding("compute.vfs", found, f"write {count} or more")


@rule("VM003", "X3", "Floating IPs and the bandwidth test name existing instances.")
def instances_named(site: Site) -> Iterator[Finding]:
    """Look up each instance that is named."""
    vms = {vm.name for vm in site.tenant.instances}
    named: list[tuple[str, str]] = []
    if site.external_access:
        floating = site.external_access.floating_ips
        named += [(f"externalAccess.floatingIps[{i}].instance", f.instance) for i, f in enumerate(floating)]
    if site.bandwidth:
        named += [("bandwidth.server", site.bandwidth.server), ("bandwidth.client", site.bandwidth.client)]
    for path, name in named:
        if name not in vms:
            yield Finding(path, repr(name), one_of(vms, "tenant.instances"))


@rule("VM004", "O4", "A compute has enough dedicated CPUs for the instances that are pinned to it.")
def enough_cpus(site: Site) -> Iterator[Finding]:
    """Compare the number of dedicated CPUs with the VCPUs of each compute's instances."""
    have, each = len(cpus(site.compute.dedicated_cpus)), site.tenant.flavor.vcpus
    for compute, count in _instances_per_compute(site).most_common(1):
        if count * each > have:
            found = f"{have} CPUs for {count} instance{'' if count == 1 else 's'} with {each} each on {compute}"
            yield Finding("compute.dedicatedCpus", found, f"write {count * each} CPUs or more")


@rule("KEY001", "T5", "A key pair either exists in Nova or has a public key. A generated one has no file.")
def key_pair_source(site: Site) -> Iterator[Finding]:
    """Report contradicting keys."""
    pair = site.tenant.key_pair
    if pair.existing and pair.public_key:
        yield Finding("tenant.keyPair.publicKey", "a key beside existing: true", "write one of the two")
    if pair.generated and pair.private_key_file:
        found = f"{shown_text(str(pair.private_key_file))} without a public key"
        yield Finding("tenant.keyPair.privateKeyFile", found, "write publicKey, or existing: true")


@rule("KEY002", "B4", "The bandwidth test has the private key of the instances' key pair.")
def login_possible(site: Site) -> Iterator[Finding]:
    """Look for the private key where nova does not generate it."""
    pair = site.tenant.key_pair
    if site.bandwidth and not pair.generated and not pair.private_key_file:
        write = "write the path of the private key, or remove publicKey and existing"
        yield Finding("tenant.keyPair.privateKeyFile", "none, with a bandwidth test", write)


@rule("DATA001", "T5", "User data is written once.")
def user_data_source(site: Site) -> Iterator[Finding]:
    """Report a text beside a file."""
    if site.tenant.user_data is not None and site.tenant.user_data_file:
        found = f"{shown_text(str(site.tenant.user_data_file))} beside userData"
        yield Finding("tenant.userDataFile", found, "write one of the two")


@rule("EXT001", "X3", "Chosen floating IPs lie in the public pool. Each instance and each address appears once.")
def floating_ips(site: Site) -> Iterator[Finding]:
    """Compare the chosen addresses with the pool, then look for duplicates."""
    if not site.external_access:
        return
    pool, floating = site.external_access.network.pool, site.external_access.floating_ips
    listed = [(f"externalAccess.floatingIps[{i}]", f) for i, f in enumerate(floating)]
    chosen = [(f"{path}.address", f.address) for path, f in listed if f.address]
    for path, address in chosen:
        if address not in pool:
            yield Finding(path, str(address), f"write an address of {pool}")
    for path, value in [*duplicates(chosen), *duplicates((f"{path}.instance", f.instance) for path, f in listed)]:
        yield Finding(path, f"{value} more than once", "write it once")


@rule(
    "BW001",
    "B5",
    "The bandwidth test runs between two computes: traffic between VFs of one HCA does not cross the fabric.",
)
def bandwidth_ends(site: Site) -> Iterator[Finding]:
    """Compare the computes of the two instances."""
    if not site.bandwidth:
        return
    places = {vm.name: vm.compute for vm in site.tenant.instances}
    server, client = places.get(site.bandwidth.server), places.get(site.bandwidth.client)
    if server and server == client:
        found = f"{site.bandwidth.client!r}, which is on {server} as bandwidth.server is"
        yield Finding("bandwidth.client", found, f"write an instance that is not on {server}")


PERFTEST = {True: ("gpudirect-bench",), False: ("gpudirect-bench", "mofed")}
"""Elements that bring ib_write_bw, with and without CUDA."""


@rule("BW002", "B5", "The images of the bandwidth test contain perftest; images that are files are not examined.")
def bandwidth_images(site: Site) -> Iterator[Finding]:
    """Look for an element that brings ib_write_bw."""
    test = site.bandwidth
    if not test:
        return
    used = {vm.image for vm in site.tenant.instances if vm.name in (test.server, test.client)}
    for i, image in enumerate(site.images):
        wanted = PERFTEST[test.cuda]
        if image.name in used and image.elements and not set(wanted) & set(image.elements):
            found = f"none of {', '.join(wanted)} for {image.name!r}, which the bandwidth test uses"
            yield Finding(f"images[{i}].elements", found, f"add {wanted[0]}, or test instances with another image")
