"""TripleO's own templates, tripleo-heat-templates 14.3.0 of Wallaby, as the undercloud's package would install them."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from lab.process import LabError, Say

VERSION = "14.3.0"
SHA256 = "91359ad8a83c99d0fa257abcaed9fb6bd36f876d76c2473e824f07d6ce87974e"
"""Of the source distribution; the wheel holds no templates."""

NAME = f"tripleo-heat-templates-{VERSION}"


def folder(hosts: Path) -> Path:
    return hosts / "packages" / NAME


def fetch(hosts: Path, say: Say) -> None:
    """Downloads and unpacks the templates once, from the package index that pip is configured for.

    Raises:
        LabError: they cannot be downloaded, or are not the pinned ones.
    """
    target = folder(hosts)
    if (target / "overcloud.j2.yaml").exists():
        return
    say(f"hosts: {NAME} from the package index")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        archive = _download(Path(scratch))
        if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
            raise LabError(f"hosts: {archive.name} is not the pinned {NAME}: its SHA-256 differs")
        # By tar: Debian 12's Python 3.11.2 has no extraction filters yet, later ones warn where none is given.
        subprocess.run(["tar", "-xzf", archive, "-C", scratch], check=True)
        unpacked = next(p for p in Path(scratch).iterdir() if p.is_dir() and p.name.startswith("tripleo"))
        shutil.move(unpacked, target)


def _download(scratch: Path) -> Path:
    """The archive. pip runs its build, which needs a setuptools that still accepts a flat layout and an old pbr."""
    venv = scratch / "venv"
    pip = venv / "bin" / "pip"
    steps = (
        [sys.executable, "-m", "venv", str(venv)],
        [str(pip), "install", "-q", "setuptools<61", "wheel", "pbr<7"],
        [str(pip), "download", "-q", "--no-deps", "--no-build-isolation", "--no-binary", ":all:",
         "-d", str(scratch / "sdist"), f"tripleo-heat-templates=={VERSION}"],
    )  # fmt: skip
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True)
        if done.returncode:
            raise LabError(f"hosts: {' '.join(step[:3])}: {done.stderr.strip()[-800:]}")
    return next((scratch / "sdist").iterdir())
