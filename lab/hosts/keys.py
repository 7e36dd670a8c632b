"""SSH key pairs of the lab."""

import subprocess
from pathlib import Path

STACK_KEY = "home/stack/.ssh/id_rsa"
"""Key of the undercloud's user stack, below its root; created by `openstack undercloud install`."""


def keygen(file: Path, comment: str, kind: str = "ed25519") -> None:
    """Create a key pair in FILE and FILE.pub, unless FILE exists."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", comment, "-f", str(file)],
            check=True,
            stdin=subprocess.DEVNULL,
        )


def public_key(file: Path) -> str:
    """Return algorithm and key of FILE.pub, without the comment."""
    return " ".join(file.with_name(file.name + ".pub").read_text().split()[:2])
