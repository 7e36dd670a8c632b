"""diskimage-builder's own elements, from its package: their dependencies and their checks of the environment."""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.process import LabError, Say
from rack.wallaby import tools

PACKAGE = "diskimage_builder"
RELEASE = "3.10.0"
FOLDER = tools.FOLDER / f"diskimage-builder-{RELEASE}"
"""Where the package is unpacked on the lab's machine."""

EXPAND = """\
import sys
from diskimage_builder.element_dependencies import get_elements
print("\\n".join(sorted(path for _, path in get_elements(sys.argv[1:]))))
"""

CHECKS = ("install.d/05-set-cloud-init-sources", "extra-data.d/99-yum-repo-conf")
"""Scripts of elements that check their variables and need no image."""
BEFORE = """\
sudo() { "$@"; }
export TMP_MOUNT_PATH=$(mktemp -d) DIB_DEBUG_TRACE=0
trap 'rm -rf "$TMP_MOUNT_PATH"' EXIT
mkdir -p "$TMP_MOUNT_PATH/etc/yum.repos.d"
"""


def fetch(say: Say) -> None:
    """Download the package once, with the hash of the conformance checks' lock file.

    Raises:
        LabError: the download fails.
    """
    if (FOLDER / PACKAGE).exists():
        return
    say(f"hosts: downloading diskimage-builder {RELEASE} from the package index")
    lock = tools.LOCK.read_text().split(f"diskimage-builder=={RELEASE} ")[1]
    hashes = [line.strip(" \\") for line in lock.splitlines()[1:3]]
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = FOLDER / "requirements.txt"
    wanted.write_text(f"diskimage-builder=={RELEASE} {' '.join(hashes)}\n")
    uv = [str(Path(sys.executable).with_name("uv")), "pip", "install", "-q", "--no-deps", "--require-hashes"]
    for mode in (["--offline"], []):
        done = subprocess.run([*uv, *mode, "--target", str(FOLDER), "-r", str(wanted)], capture_output=True, text=True)
        if done.returncode == 0:
            return
    raise LabError(f"hosts: diskimage-builder cannot be downloaded: {done.stderr.strip()[-400:]}")


def install(packages: Path) -> None:
    """Put the package into a host's folder of Python packages, if it was fetched."""
    if (FOLDER / PACKAGE).exists() and not (packages / PACKAGE).exists():
        shutil.copytree(FOLDER / PACKAGE, packages / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))


def expand(elements: Sequence[str], own: Sequence[Path]) -> list[Path]:
    """Return the folders of the elements and of all that they need. `own`: folders that precede the package's.

    Raises:
        LabError: an element is missing or provided twice, in the words of diskimage-builder.
    """
    chosen = [name for name in elements if name.startswith("block-device-")]
    default = ["block-device-mbr"] if "vm" in elements and not chosen else []  # as lib/common-functions adds it
    paths = ":".join(map(str, (*own, FOLDER / PACKAGE / "elements")))
    done = subprocess.run(
        [sys.executable, "-c", EXPAND, "base", *elements, *default],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(FOLDER), "ELEMENTS_PATH": paths},
    )
    if done.returncode:
        raise LabError(done.stderr.strip().splitlines()[-1])
    return [Path(line) for line in done.stdout.splitlines()]


def check(folders: Sequence[Path], enter: Sequence[str], variables: Mapping[str, str]) -> str:
    """Run the checks of the elements on the build host; return what the first failing one prints, or nothing.

    `enter`: the command line of a shell on the host.
    """
    environment = {**variables, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    for script in (folder / name for folder in folders for name in CHECKS if (folder / name).exists()):
        done = subprocess.run(enter, input=BEFORE + script.read_text(), capture_output=True, text=True, env=environment)
        if done.returncode:
            return f"dib-run-parts {script.name}: {(done.stdout + done.stderr).strip()}"
    return ""
