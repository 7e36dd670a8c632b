"""The environment in which a program uses the simulated fabric: a preloaded library and three variables."""

import hashlib
from pathlib import Path

LIBRARIES = Path("/usr/lib")


class MissingPackageError(Exception):
    """A Debian package of the fabric is missing; the text names it."""


def umad2sim() -> Path:
    """Return the library that replaces the kernel's /dev/infiniband/umad*.

    Raises:
        MissingPackageError: the Debian package libumad2sim0 is missing.
    """
    found = next(LIBRARIES.glob("*/umad2sim/libumad2sim.so"), None)
    if found is None:
        raise MissingPackageError("no libumad2sim.so: install the Debian package libumad2sim0")
    return found


def socket_name(folder: Path) -> dict[str, str]:
    """Return the variable with ibsim's abstract socket: one per folder, so that several fabrics can run."""
    return {"IBSIM_SOCKNAME": "ibsim-" + hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]}


def environment(folder: Path, node: str) -> dict[str, str]:
    """Return the variables with which a program uses the fabric of `folder` as if it ran on the host `node`."""
    return {**socket_name(folder), "LD_PRELOAD": str(umad2sim()), "SIM_HOST": node}
