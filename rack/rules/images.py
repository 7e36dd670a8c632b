"""Design rules of the guest images (G1)."""

import re
from collections.abc import Iterator
from difflib import get_close_matches

from rack.rules.common import duplicates
from rack.rules.registry import Finding, rule
from rack.site import Site
from rack.site.elements import STOCK, SYSTEMS, VENDOR, WITH_SYSTEM
from rack.site.images import OFED_FILE, REPOSITORY_FILES
from rack.site.problems import shown_text


@rule("IMG001", "G1", "Image names are unique.")
def images_unique(site: Site) -> Iterator[Finding]:
    """Look for names that several images have."""
    for path, name in duplicates((f"images[{i}].name", image.name) for i, image in enumerate(site.images)):
        yield Finding(path, f"{name!r} more than once", "write a unique name")


@rule("IMG002", "G1", "An image has either elements, of which it is built, or a file.")
def image_sources(site: Site) -> Iterator[Finding]:
    """Report images with both and images with neither."""
    for i, image in enumerate(site.images):
        if image.elements and image.file:
            yield Finding(f"images[{i}].file", f"{shown_text(str(image.file))} beside elements", "write one of the two")
        elif not image.elements and not image.file:
            yield Finding(f"images[{i}].elements", "none, and no file", "write elements, or the file of an image")


OFED_MINIMUM = (5, 6)
"""Release of MLNX_OFED that GPUDirect RDMA needs (G2)."""
NEEDS = (("cuda", "mofed"), ("gpudirect-bench", "cuda"))
"""Element and the one that it needs in the same image, according to NVIDIA's How-to."""


@rule("IMG003", "G2", "An image with cuda has mofed; an image with gpudirect-bench has cuda.")
def elements_complete(site: Site) -> Iterator[Finding]:
    """Look for elements without those that they need."""
    for i, image in enumerate(site.images):
        for element, needed in NEEDS:
            if element in image.elements and needed not in image.elements:
                yield Finding(f"images[{i}].elements", f"{element} without {needed}", f"add {needed}")


@rule("IMG004", "G2", "The MLNX_OFED of an image with cuda is 5.6 or later. Its release is in the name of its file.")
def ofed_recent(site: Site) -> Iterator[Finding]:
    """Compare the release in the file's name."""
    for i, image in enumerate(site.images):
        release = image.ofed_release
        if release and "cuda" in image.elements and release < OFED_MINIMUM:
            found = f"{OFED_FILE} of release {release[0]}.{release[1]}"  # Its URL is not shown: see IMG008
            yield Finding(f"images[{i}].environment", found, "write the file of MLNX_OFED 5.6 or later")


SHELL = re.compile(r"[A-Za-z0-9_./*?\[\] -]+")


@rule("IMG006", "G2", "DIB_YUM_REPO_CONF lists paths and patterns, separated by blanks.")
def repository_patterns(site: Site) -> Iterator[Finding]:
    """Look for other characters: the shell expands the value."""
    for i, image in enumerate(site.images):
        value = image.environment.get(REPOSITORY_FILES, "-")
        if not SHELL.fullmatch(value):
            found = f"{REPOSITORY_FILES} with other characters than {SHELL.pattern}"
            yield Finding(f"images[{i}].environment", found, "write paths and patterns")


@rule("IMG005", "G1", "Only an image that is built has variables of diskimage-builder.")
def variables_used(site: Site) -> Iterator[Finding]:
    """Report variables beside a file."""
    for i, image in enumerate(site.images):
        if image.environment and not image.elements:
            found = f"{', '.join(sorted(image.environment))} without elements"
            yield Finding(f"images[{i}].environment", found, "remove it")


DIGITS = re.compile(r"\d")
SECRET_NAME = re.compile(r"PASSW|SECRET|TOKEN|CREDENTIAL|(?<!PUBLIC)_KEY$")
LOGIN = re.compile(r"://[^\s/@]+@|[^\s/:@]+:[^\s/@]+@|[?&;][^=\s]+=|-(passw|secret|token)", re.IGNORECASE)
"""User, or user and password, before a host; a URL's query, which may sign it; an option with a password."""


@rule(
    "IMG008",
    "G1",
    "No variable of diskimage-builder contains a password: it would be in the stack's file and on a command line.",
)
def variables_without_secrets(site: Site) -> Iterator[Finding]:
    """Look for names of passwords and for URLs with a login or a query. Values are not shown."""
    for i, image in enumerate(site.images):
        for name in sorted(
            name for name, value in image.environment.items() if SECRET_NAME.search(name) or LOGIN.search(value)
        ):
            write = "remove it: use a mirror without a login, and keys (tenant.keyPair) in place of passwords"
            yield Finding(f"images[{i}].environment", f"{name}, which may contain a password", write)


@rule("IMG009", "G1", "No element is a mistyped one of diskimage-builder or of NVIDIA's How-to.")
def elements_exist(site: Site) -> Iterator[Finding]:
    """Compare names. An own element has another name, or that of a known one with other digits, like centos9."""
    known = sorted(STOCK | VENDOR)
    bare = {DIGITS.sub("", name) for name in known}
    for i, image in enumerate(site.images):
        for k, name in enumerate(image.elements):
            if DIGITS.sub("", name) in bare:  # as each known name is
                continue
            if close := get_close_matches(name, known, n=1, cutoff=0.85):
                yield Finding(f"images[{i}].elements[{k}]", f"{name}, which is no element", f"write {close[0]}")


@rule("IMG010", "G1", "The elements of an image contain one operating system.")
def one_system(site: Site) -> Iterator[Finding]:
    """Count operating systems. An own element may be one."""
    for i, image in enumerate(site.images):
        systems = [name for name in image.elements if name in SYSTEMS]
        if len(systems) > 1:
            yield Finding(f"images[{i}].elements", " and ".join(systems), "write one operating system")
        elif image.elements and not systems and {*image.elements} <= (STOCK | VENDOR) - WITH_SYSTEM:
            yield Finding(f"images[{i}].elements", "no operating system", "add one, like centos")


SIZE = "DIB_IMAGE_SIZE"
"""Size of the image in GiB (diskimage-builder)."""


@rule("IMG011", "T1", "The disk of the flavor holds each image: nova refuses an instance with a smaller one.")
def disk_holds_images(site: Site) -> Iterator[Finding]:
    """Compare the size that the configuration gives to an image. Sizes of files are compared where they are."""
    disk = site.tenant.flavor.disk_gib
    for i, image in enumerate(site.images):
        size = image.environment.get(SIZE, "0")
        path, write = f"images[{i}].environment", f"write a number from 1 to {disk}, or a larger tenant.flavor.diskGib"
        if not re.fullmatch(r"\d{1,6}", size):
            yield Finding(path, f"{SIZE} that is no number", write)
        elif int(size) > disk:
            yield Finding(path, f"{SIZE} of {size} GiB, where the flavor has {disk}", write)


@rule("IMG007", "G2", "A builder builds an image, and is neither the undercloud nor a node.")
def builder_used(site: Site) -> Iterator[Finding]:
    """Compare its address, and look for an image with elements."""
    if not site.builder:
        return
    hosts = {site.undercloud.address, site.undercloud.ssh_address, *(node.address for node in site.nodes)}
    if site.builder.address in hosts:
        found = f"{site.builder.address}, the undercloud or a node"
        yield Finding("builder.address", found, "write another host, or remove builder to use the undercloud")
    if not any(image.elements for image in site.images):
        yield Finding("builder.address", "a builder, and no image with elements", "remove builder")
