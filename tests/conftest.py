"""Distributes the tests to the processes of `pytest -n 2` (pytest-xdist, `make test`), and marks the tests.

One process runs all tests of a file, and of the folders in `TOGETHER`. Long portions start first, so that both
processes end at about the same time. Examples of hypothesis have no deadline: a busy machine is no failure.
"""

import gc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

TOGETHER = {
    "tests/engine": "the lab",
    "tests/outages": "the lab",
    "tests/chaos/test_disturbances.py": "the lab",
    "tests/lab/cloud": "the lab",
    "tests/conformance": "Wallaby's tools",
    "tests/lab/ufm": "a UFM and its fabric",
    "tests/access": "deployments under mocks",
    "tests/editor": "programs of npm",
    "tests/components": "deployments under mocks",
}
"""Folder or file → what its tests share: fixed addresses, or a fixture that takes seconds to make."""

MARKERS = {
    "tests/conformance": ("wallaby",),
    "tests/engine": ("lab", "engine"),
    "tests/outages": ("lab", "engine"),
    "tests/engine_build": ("engine",),
    "tests/lab": ("lab",),
    "tests/editor": ("node",),
}
"""Folder → the markers of all tests in it. Elsewhere a file marks itself."""

LONGEST = (
    "the lab",
    "tests/providers/test_engine.py",
    "tests/onhost/undercloud/test_wave.py",
    "tests/onhost/undercloud/test_leave.py",
    "tests/lab/hosts/test_ufm_steps.py",
    "Wallaby's tools",
    "tests/onhost/undercloud/test_nodes.py",
    "tests/engine_build/test_life.py",
    "a UFM and its fabric",
    "deployments under mocks",
    "tests/providers/test_faults.py",
    "tests/onhost/undercloud/test_job.py",
    "tests/onhost/test_shipping.py",
)
"""In this order, before all others: each takes more than a minute, the last four are the longest of the fast ones."""


def portion(nodeid: str) -> str:
    """Return the name of the portion of a test: its file, or what its folder shares. One process runs a portion."""
    file = nodeid.partition("::")[0]
    return next((shared for folder, shared in TOGETHER.items() if f"{file}/".startswith(f"{folder}/")), file)


class Dealer(LoadScopeScheduling):  # type: ignore[misc]
    """Gives the next portion to a process that has none left."""

    def _split_scope(self, nodeid: str) -> str:
        return portion(nodeid)


@pytest.hookimpl(optionalhook=True)  # where xdist is switched off (-p no:xdist)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Dealer:
    config.option.loadscopereorder = False  # keep our order; xdist would sort by the number of tests
    return Dealer(config, log)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the folders without a fast test out of a run of the fast ones: importing them takes seconds."""
    folder = collection_path.relative_to(config.rootpath).as_posix()
    return True if config.option.markexpr == "fast" and folder in MARKERS else None


def pytest_collection_finish() -> None:
    """Exclude all objects that exist now from garbage collection, and collect rarely: it saves a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@pytest.hookimpl(tryfirst=True)  # before `-m` selects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests by their folder, mark the fast ones, and put the longest portions first."""
    for item in items:
        for folder, markers in MARKERS.items():
            if item.nodeid.startswith(f"{folder}/"):
                for marker in markers:
                    item.add_marker(marker)
        if not any(item.get_closest_marker(marker) for marker in ("lab", "engine", "wallaby", "node", "slow")):
            item.add_marker("fast")
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(portion(item.nodeid), len(LONGEST)))
