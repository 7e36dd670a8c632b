"""Disk images: files in the format qcow2, and qemu-img."""

import hashlib
import json
import struct

from lab.hosts.call import Call
from lab.hosts.kinds.undercloud import Undercloud
from lab.hosts.outcomes import Refusal
from lab.hosts.output import Parser
from lab.hosts.registry import command


def qcow2(seed: str, gib: int = 10) -> bytes:
    """Return a valid, empty qcow2 image of version 2. Its bytes depend on `seed` and `gib` only."""
    cluster = 65536
    entries = gib * 2**30 // (cluster * cluster // 8)
    head = struct.pack(
        ">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, 16, gib * 2**30, 0, entries, 3 * cluster, cluster, 1, 0, 0
    )
    refcount_table = struct.pack(">Q", 2 * cluster)
    refcounts = struct.pack(">5H", 1, 1, 1, 1, 1)
    # No table of the guest refers to the last cluster: it holds the seed.
    note = hashlib.sha256(seed.encode()).hexdigest().encode() + b"\n" + seed.encode()
    return b"".join(part.ljust(cluster, b"\0") for part in (head, refcount_table, refcounts, b"", note))


def write_binary(call: Call[Undercloud], name: str, content: bytes) -> None:
    """Write a file of the host, owned by the caller's user."""
    call.write(name, "")
    call.path(name).write_bytes(content)


@command("qemu-img", Undercloud)
def qemu_img(call: Call[Undercloud]) -> None:
    """Run `info [--output json] FILE`: print what the header contains."""
    options = Parser(call, "qemu-img")
    options.add_argument("verb", choices=["info"])
    options.add_argument("--output", choices=["human", "json"], default="human")
    options.add_argument("file")
    given = options.parse()
    if not call.path(given.file).is_file():
        raise Refusal(
            f"qemu-img: Could not open '{given.file}': Could not open '{given.file}': No such file or directory"
        )
    content = call.path(given.file).read_bytes()
    qcow = content[:4] == b"QFI\xfb"
    size = struct.unpack(">Q", content[24:32])[0] if qcow else len(content)
    if given.output == "json":
        call.out(json.dumps({"filename": given.file, "format": "qcow2" if qcow else "raw", "virtual-size": size}))
        return
    call.out(
        f"image: {given.file}\nfile format: {'qcow2' if qcow else 'raw'}\n"
        f"virtual size: {size / 2**30:g} GiB ({size} bytes)"
    )
