"""TripleO's templates of stable/wallaby, as the package of `tripleo-repos -b wallaby current` installs them.

They are release 14.3.0 of the package index with the branch's later changes that the program needs
(`rack.wallaby.branch`).
"""

import shutil
from pathlib import Path

from lab.process import LabError, Say
from rack.wallaby import tools
from rack.wallaby.branch import SDN, backport

NAME = f"{tools.TEMPLATES_PACKAGE}-{tools.TEMPLATES_VERSION}"


def fetch(say: Say) -> None:
    """Download the release once, to the folder that the conformance checks share.

    Raises:
        LabError: the download fails, or its checksum is not the pinned one.
    """
    try:
        tools.templates(tools.FOLDER, say)
    except tools.ToolsError as error:
        raise LabError(f"hosts: {error}") from error


def install(target: Path, released: bool) -> None:
    """Install the templates into `target`; if `released`, without the branch's later changes.

    Raises:
        LabError: the release was not downloaded.
    """
    source = tools.FOLDER / NAME
    if not source.exists():
        raise LabError(f"Error: Unable to find {NAME}: the lab's installation has not fetched it")
    if not target.exists():
        shutil.copytree(source, target)
    shutil.copy(source / SDN, target / SDN)
    if not released:
        backport(target)
