"""Who may run beside whom, when pytest runs with several workers (`-n 2 --dist loadgroup`, as `make test` does).

The lab's addresses are one set, so whatever starts the lab, or its cloud, stays on one worker. Every other file brings
its own ports and folders and stays whole, for its fixtures' sake.
"""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
LAB = (HERE / "engine", HERE / "lab" / "cloud")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        lab = any(folder in item.path.parents for folder in LAB)
        item.add_marker(pytest.mark.xdist_group("lab" if lab else str(item.path.relative_to(HERE))))
