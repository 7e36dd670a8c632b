"""requirements.lock installs with the pip of Debian 12 (23.0.1), also after newer releases have appeared."""

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

pytestmark = pytest.mark.fast
LOCK = Path(__file__).parent.parent / "requirements.lock"


def locked() -> dict[str, set[str]]:
    """Return the extras that the lock names, by package."""
    lines = re.findall(r"^[A-Za-z0-9][^\s;\\]*==[^\s;\\]+", LOCK.read_text(), re.MULTILINE)
    return {requirement.name: requirement.extras for requirement in map(Requirement, lines)}


def requested() -> Iterator[tuple[str, str, str]]:
    """Yield (package, required package, extra) for what locked packages require with extras."""
    for name, extras in locked().items():
        for text in metadata.requires(name) or ():
            required = Requirement(text)
            if not required.marker or any(required.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
                yield from ((name, required.name, extra) for extra in required.extras)


def test_extras_that_packages_require_are_in_the_lock() -> None:
    """pip 23 resolves `coverage[toml]>=7` anew where the lock says `coverage==7.17.4`, and then misses a hash."""
    found = list(requested())
    assert ("pytest-cov", "coverage", "toml") in found
    missing = [f"{package} requires {name}[{extra}]" for package, name, extra in found if extra not in locked()[name]]
    assert missing == []


def test_pulumi_install_installs_the_lock() -> None:
    """The language host with `toolchain: pip` reads requirements.txt alone, and installs nothing without it."""
    lines = [line for line in LOCK.with_suffix(".txt").read_text().splitlines() if not line.startswith("#")]
    assert lines == [f"-r {LOCK.name}"]
