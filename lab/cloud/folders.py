"""Where the cloud keeps its files, and its passwords."""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from lab import addresses

CLOUD = addresses.STATE / "cloud"
VENV = CLOUD / "venv"
ETC = CLOUD / "etc"
RUN = CLOUD / "run"
"""Pid files and logs."""
DATA = CLOUD / "data"
PRISTINE = CLOUD / "pristine"
"""A copy of DATA as the installation left it: no overcloud, no image, no user but admin and the services'."""
COMPUTES = DATA / "computes"
"""One folder a compute host: its state, and `hardware.json`."""


@dataclass(frozen=True)
class Passwords:
    """Made once an installation; they never leave this machine."""

    admin: str
    """Of keystone's user admin: TripleO's AdminPassword."""
    service: str
    database: str


def passwords() -> Passwords:
    """Reads the passwords, made at the first call."""
    file = CLOUD / "passwords.json"
    if not file.exists():
        write(file, json.dumps(asdict(Passwords(*(secrets.token_urlsafe(18) for _ in range(3))))))
    return Passwords(**json.loads(file.read_text()))


def write(file: Path, text: str) -> None:
    """Writes a file that only its owner may read, at once or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(file.name + ".new")
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.replace(file)
