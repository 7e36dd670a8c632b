"""Files on the machine that runs pulumi, which the configuration names: whether they are there, and their content."""

import re
import ssl
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel

from rack.site import Site
from rack.site.problems import shown_text
from rack.site.schema import Part, dotted
from rack.site.tenant import USER_DATA_MAX

QCOW2 = b"QFI\xfb"
GIB = 2**30


def problems(site: Site, folder: Path) -> Iterator[str]:
    """Yield a problem per file that is not there, cannot be read, or has the wrong content.

    Relative paths start at `folder`.
    """
    for key, path in paths(site):
        problem = problem_of(key, path, folder)
        if problem:
            yield problem
    yield from _large_images(site, folder)


def problem_of(key: str, path: Path, folder: Path) -> str | None:
    """Return the problem of a file, or None if it is there and has the content that its key needs."""
    file = folder / path.expanduser()
    name = shown_text(str(path))
    try:
        if not file.is_file():
            return f"{key}: found {name}, which is no file on this machine; write the path of the file"
        kind = re.sub(r"\[\d+\]", "[]", key)
        with file.open("rb") as opened:
            content = opened.read(8 if kind == "images[].file" else LARGEST + 1)
    except OSError as error:
        reason = f"which cannot be read ({error.strerror})"
        return (
            f"{key}: found {name}, {reason}; run: chmod u+r {path}"
            if isinstance(error, PermissionError)
            else (f"{key}: found {name}, {reason}; write the path of a file that can be read")
        )
    if len(content) > LARGEST:
        return f"{key}: found {name} of more than {LARGEST // 2**20} MiB; write the path of another file"
    problem = CONTENTS[kind](content) if kind in CONTENTS else None
    return f"{key}: found {name}, {problem}" if problem else None


LARGEST = 2**20
"""Longest file in bytes, images excepted: of certificates, keys and user data."""


def _authority(content: bytes) -> str | None:
    if b"PRIVATE KEY-----" in content:
        return "which contains a private key; write a file without one"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content.decode("ascii"))
    except UnicodeDecodeError:
        return "which is no text; write a file in PEM format"
    except (ssl.SSLError, ValueError):
        return "which contains no certificate; write a file in PEM format: -----BEGIN CERTIFICATE-----"
    return None


def _signing_key(content: bytes) -> str | None:
    if b"PRIVATE KEY" in content:
        return "which contains a private key; write a file without one"
    armored = b"-----BEGIN PGP PUBLIC KEY BLOCK-----" in content
    binary = content[:1] in (b"\x98", b"\x99", b"\xc6")  # A public key packet (RFC 4880, 4.2)
    return None if armored or binary else "which is no PGP public key; write the file that the repository offers as gpg"


def _private_key(content: bytes) -> str | None:
    """Name what is often written in place of a private key. The SSH client decides on the formats that it reads."""
    if content.startswith((b"ssh-", b"ecdsa-", b"sk-")) or b"PUBLIC KEY-----" in content:
        return "which is a public key; write the file with the private one"
    if content.startswith(b"PuTTY-"):
        return "which is a key of PuTTY; run: puttygen FILE -O private-openssh -o NEW-FILE"
    if not content.strip() or b"BEGIN CERTIFICATE-----" in content:
        return "which is no private key of OpenSSH; write one, such as ~/.ssh/id_ed25519"
    return None


def _known_hosts(content: bytes) -> str | None:
    lines = [line.split() for line in content.splitlines() if line.strip() and not line.lstrip().startswith(b"#")]
    if any(len(words) >= 3 for words in lines):
        return None
    return "which contains no host key; run: ssh-keyscan -H ADDRESS >> FILE, and compare the fingerprints"


def _user_data(content: bytes) -> str | None:
    size = len(content)
    return f"of {size} bytes; write at most {USER_DATA_MAX}, nova's limit" if size > USER_DATA_MAX else None


def _image(content: bytes) -> str | None:
    return None if content.startswith(QCOW2) else "which is no qcow2 image; run: qemu-img convert -O qcow2 FROM TO"


CONTENTS: Mapping[str, Callable[[bytes], str | None]] = {
    "ufm.caFile": _authority,
    "undercloud.registry.caFile": _authority,
    "ufm.host.install.docker.keyFile": _signing_key,
    "ssh.privateKeyFile": _private_key,
    "ssh.proxy.privateKeyFile": _private_key,
    "ssh.knownHostsFile": _known_hosts,
    "tenant.keyPair.privateKeyFile": _private_key,
    "tenant.userDataFile": _user_data,
    "images[].file": _image,
}
"""Key of each file to the check of its content."""


def _large_images(site: Site, folder: Path) -> Iterator[str]:
    """Yield a problem per image with a larger disk than the flavor: nova refuses its instances."""
    disk = site.tenant.flavor.disk_gib
    for i, image in enumerate(site.images):
        size = _virtual_size(folder / image.file.expanduser()) if image.file else 0
        if size > disk * GIB:
            found = f"found {shown_text(str(image.file))} with a disk of {-(-size // GIB)} GiB"
            yield f"images[{i}].file: {found}; write at least that as tenant.flavor.diskGib, which is {disk}"


def _virtual_size(file: Path) -> int:
    """Return the size of the disk in a qcow2 image, in bytes (qemu: docs/interop/qcow2.txt); 0 if it has none."""
    try:
        with file.open("rb") as opened:
            header = opened.read(32)
    except OSError:
        return 0
    return int(struct.unpack_from(">Q", header, 24)[0]) if header.startswith(QCOW2) and len(header) == 32 else 0


def paths(site: BaseModel) -> Iterator[tuple[str, Path]]:
    """Yield key and path of every file of the operator's machine that the configuration names."""
    yield from ((dotted(loc), path) for loc, path in _paths(site, ()))


def _paths(value: object, loc: tuple[Part, ...]) -> Iterator[tuple[tuple[Part, ...], Path]]:
    if isinstance(value, Path):
        yield loc, value
    elif isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            yield from _paths(getattr(value, name), (*loc, field.alias or name))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _paths(item, (*loc, index))
