"""How a program comes to see the simulated fabric instead of hardware: a preloaded library and three variables."""

import hashlib
from pathlib import Path

LIBRARIES = Path("/usr/lib")


class NotInstalledError(Exception):
    """A Debian package of the fabric is missing; the text names it."""


def umad2sim() -> Path:
    """The library that stands in for the kernel's /dev/infiniband/umad*.

    Raises:
        NotInstalledError: libumad2sim0 is not there.
    """
    found = next(LIBRARIES.glob("*/umad2sim/libumad2sim.so"), None)
    if found is None:
        raise NotInstalledError("no libumad2sim.so: install the Debian package libumad2sim0")
    return found


def socket_name(folder: Path) -> dict[str, str]:
    """ibsim's name among the kernel's abstract sockets: one a folder, so that fabrics beside each other do not meet."""
    return {"IBSIM_SOCKNAME": "ibsim-" + hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]}


def environment(folder: Path, node: str) -> dict[str, str]:
    """Added to a program's environment, lets it see the fabric that runs in `folder` as on the host `node`."""
    return {**socket_name(folder), "LD_PRELOAD": str(umad2sim()), "SIM_HOST": node}
