"""TripleO's templates as the undercloud's package installs them: of stable/wallaby, which `tripleo-repos -b wallaby
current` gives. They are 14.3.0 of the package index, and what the branch has besides that the program needs."""

import shutil
from pathlib import Path

from lab.process import LabError, Say
from rack.wallaby import tools
from rack.wallaby.branch import SDN, backport

NAME = f"{tools.TEMPLATES_PACKAGE}-{tools.TEMPLATES_VERSION}"


def fetch(say: Say) -> None:
    """Brings them once, to where the conformance checks have them too.

    Raises:
        LabError: they cannot be downloaded, or are not the pinned ones.
    """
    try:
        tools.templates(tools.FOLDER, say)
    except tools.ToolsError as error:
        raise LabError(f"hosts: {error}") from error


def install(target: Path, released: bool) -> None:
    """Makes `target` hold them; `released`: as they were released, without what the branch has got since.

    Raises:
        LabError: they were not fetched.
    """
    source = tools.FOLDER / NAME
    if not source.exists():
        raise LabError(f"Error: Unable to find {NAME}: the lab's installation has not fetched it")
    if not target.exists():
        shutil.copytree(source, target)
    shutil.copy(source / SDN, target / SDN)
    if not released:
        backport(target)
