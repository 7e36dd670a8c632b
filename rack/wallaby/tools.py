"""Installation of the Wallaby tools: 180 locked packages in a virtual environment, and TripleO's templates.

The first installation takes about 30 s; later calls find it complete.
"""

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
"""Compiled from requirements.in by `make lock`."""

FOLDER = HERE.parents[1] / ".tools" / "wallaby"
"""The installation folder of this checkout."""

TEMPLATES_PACKAGE = "tripleo-heat-templates"
TEMPLATES_VERSION = "14.3.0"
TEMPLATES_SHA256 = "91359ad8a83c99d0fa257abcaed9fb6bd36f876d76c2473e824f07d6ce87974e"
"""Hash of the source distribution. The wheel contains no templates."""

Log = Callable[[str], None]


class ToolsError(Exception):
    """The tools cannot be installed. The text names the command that failed and its error."""


@dataclass(frozen=True)
class Tools:
    """The installed tools."""

    python: Path
    """The interpreter of their virtual environment."""
    templates: Path
    """The templates, in /usr/share/openstack-tripleo-heat-templates on an undercloud."""


def install(folder: Path, log: Log) -> Tools:
    """Install what `folder` does not contain yet, and return the tools. Idempotent.

    Args:
        folder: the installation folder.
        log: receives one line per download.

    Raises:
        ToolsError: a package cannot be downloaded, or its hash differs from the locked one.
    """
    folder = folder.resolve()
    venv, mark = folder / "venv", folder / "installed"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if not mark.exists() or mark.read_text() != wanted:
        log("wallaby: installing tripleoclient, Heat and their libraries from the package index")
        folder.mkdir(parents=True, exist_ok=True)
        mark.unlink(missing_ok=True)
        uv = _uv()
        _run([uv, "venv", "-q", "--clear", "--python", "3.11", str(venv)])
        locked = ["--no-deps", "--require-hashes", "--compile-bytecode", "-r", str(LOCK)]
        _run([uv, "pip", "install", "-q", "--python", str(venv / "bin" / "python"), *locked])
        mark.write_text(wanted)
    return Tools(venv / "bin" / "python", templates(folder, log))


def templates(folder: Path, log: Log) -> Path:
    """Return the folder of the templates, a subfolder of `folder`, after downloading them if they are missing.

    Raises:
        ToolsError: the download failed, or its hash differs from TEMPLATES_SHA256.
    """
    target = folder / f"{TEMPLATES_PACKAGE}-{TEMPLATES_VERSION}"
    if not (target / "overcloud.j2.yaml").exists():
        log(f"wallaby: downloading {target.name} from the package index")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            archive = _download(Path(scratch))
            # tar instead of tarfile: Python 3.11.2 of Debian 12 has no extraction filters, and later releases warn
            # if none is given.
            _run(["tar", "-xzf", str(archive), "-C", scratch])
            shutil.move(Path(scratch) / archive.name.removesuffix(".tar.gz"), target)
    return target


def _download(scratch: Path) -> Path:
    """Download the archive and return its path. pip verifies the hash before it builds the metadata."""
    (scratch / "requirements").write_text(
        f"{TEMPLATES_PACKAGE}=={TEMPLATES_VERSION} --hash=sha256:{TEMPLATES_SHA256}\n"
    )
    pip = str(scratch / "venv" / "bin" / "pip")
    _run([sys.executable, "-m", "venv", str(scratch / "venv")])
    _run([pip, "install", "-q", "--require-hashes", "-r", str(HERE / "templates.lock")])
    source = ["--no-deps", "--no-build-isolation", "--no-binary", ":all:", "--require-hashes"]
    _run([pip, "download", "-q", *source, "-d", str(scratch / "sdist"), "-r", str(scratch / "requirements")])
    return next((scratch / "sdist").iterdir())


def _uv() -> str:
    """Return the path of uv, which the project's virtual environment contains.

    Raises:
        ToolsError: there is none.
    """
    uv = shutil.which("uv", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))
    if not uv:
        raise ToolsError("uv: not found beside this Python or on PATH; run `make .venv/ready`")
    return uv


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "UV_SYSTEM_CERTS": "1"})
    except OSError as error:
        raise ToolsError(f"{command[0]}: {error.strerror}") from None
    if done.returncode:
        raise ToolsError(f"{' '.join(command[:4])} …: exit {done.returncode}\n{done.stderr.strip()[-800:]}")
