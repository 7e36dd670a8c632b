"""Brings the tools: a virtual environment of 180 locked packages, and TripleO's templates. About 30 s, then nothing."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCK = HERE / "requirements.lock"
"""Made by `make lock` of requirements.in."""

FOLDER = HERE.parents[1] / ".tools" / "wallaby"
"""Where they are brought to in this checkout."""

TEMPLATES = "tripleo-heat-templates"
VERSION = "14.3.0"
SHA256 = "91359ad8a83c99d0fa257abcaed9fb6bd36f876d76c2473e824f07d6ce87974e"
"""Of the source distribution; the wheel holds no templates."""

Say = Callable[[str], None]


class ToolsError(Exception):
    """The tools cannot be brought; the text says which step failed and how."""


@dataclass(frozen=True)
class Tools:
    """The tools, installed."""

    python: Path
    """Of their virtual environment."""
    templates: Path
    """Unpacked: what lies in /usr/share/openstack-tripleo-heat-templates on an undercloud."""


def install(folder: Path, say: Say) -> Tools:
    """Brings what is not in `folder` yet; a second call does nothing.

    Raises:
        ToolsError: a package cannot be downloaded or is not the locked one.
    """
    folder = folder.resolve()
    venv, mark = folder / "venv", folder / "installed"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if not mark.exists() or mark.read_text() != wanted:
        say("wallaby: tripleoclient, Heat and their libraries from the package index")
        folder.mkdir(parents=True, exist_ok=True)
        mark.unlink(missing_ok=True)
        uv = _uv()
        _run([uv, "venv", "-q", "--clear", "--python", "3.11", str(venv)])
        locked = ["--no-deps", "--require-hashes", "--compile-bytecode", "-r", str(LOCK)]
        _run([uv, "pip", "install", "-q", "--python", str(venv / "bin" / "python"), *locked])
        mark.write_text(wanted)
    return Tools(venv / "bin" / "python", templates(folder, say))


def templates(folder: Path, say: Say) -> Path:
    """The templates' folder below `folder`, downloaded once.

    Raises:
        ToolsError: they cannot be downloaded, or are not the pinned ones.
    """
    target = folder / f"{TEMPLATES}-{VERSION}"
    if not (target / "overcloud.j2.yaml").exists():
        say(f"wallaby: {target.name} from the package index")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            archive = _download(Path(scratch))
            # By tar: Debian 12's Python 3.11.2 has no extraction filters yet, later ones warn where none is given.
            _run(["tar", "-xzf", str(archive), "-C", scratch])
            shutil.move(Path(scratch) / archive.name.removesuffix(".tar.gz"), target)
    return target


def _download(scratch: Path) -> Path:
    """The archive. pip runs its build to learn its name, once the hash has been found right."""
    (scratch / "wanted").write_text(f"{TEMPLATES}=={VERSION} --hash=sha256:{SHA256}\n")
    pip = str(scratch / "venv" / "bin" / "pip")
    _run([sys.executable, "-m", "venv", str(scratch / "venv")])
    _run([pip, "install", "-q", "--require-hashes", "-r", str(HERE / "templates.lock")])
    source = ["--no-deps", "--no-build-isolation", "--no-binary", ":all:", "--require-hashes"]
    _run([pip, "download", "-q", *source, "-d", str(scratch / "sdist"), "-r", str(scratch / "wanted")])
    return next((scratch / "sdist").iterdir())


def _uv() -> str:
    """The installer that the project's own environment holds."""
    uv = shutil.which("uv", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))
    if not uv:
        raise ToolsError("uv is neither beside this Python nor on PATH; write: make .venv/ready")
    return uv


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "UV_SYSTEM_CERTS": "1"})
    except OSError as error:
        raise ToolsError(f"{command[0]}: {error.strerror}") from None
    if done.returncode:
        raise ToolsError(f"{' '.join(command[:4])} …: exit {done.returncode}\n{done.stderr.strip()[-800:]}")
