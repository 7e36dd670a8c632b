"""The cloud's folders and passwords."""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from lab import addresses

CLOUD = addresses.STATE / "cloud"
VENV = CLOUD / "venv"
ETC = CLOUD / "etc"
CONTROLLER = CLOUD / "controller"
"""The part of the controllers' file system that neutron-server reads: the certificate authorities."""
RUN = CLOUD / "run"
"""Pid files and logs."""
DATA = CLOUD / "data"
PRISTINE = CLOUD / "pristine"
"""A copy of DATA as the installation left it: no overcloud, no image, only the users admin and svc."""
COMPUTES = DATA / "computes"
"""One folder per compute: its state and `hardware.json`."""


@dataclass(frozen=True)
class Passwords:
    """Generated once per installation; they never leave this machine."""

    admin: str
    """The password of keystone's user admin: TripleO's AdminPassword."""
    service: str
    database: str


def passwords() -> Passwords:
    """Return the passwords; generate them at the first call."""
    file = CLOUD / "passwords.json"
    if not file.exists():
        write(file, json.dumps(asdict(Passwords(*(secrets.token_urlsafe(18) for _ in range(3))))))
    return Passwords(**json.loads(file.read_text()))


def write(file: Path, text: str) -> None:
    """Replace a file atomically. Only its owner can read it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(file.name + ".new")
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.replace(file)
