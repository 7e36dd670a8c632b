"""Examples enough to find a fault, few enough for two cores: `make check` tries a third of those of `make test`."""

import pytest
from hypothesis import Phase, settings


def pytest_configure(config: pytest.Config) -> None:
    """Load the profile before the tests are imported."""
    examples = 10 if config.option.markexpr == "fast" else 30
    settings.register_profile("rack", max_examples=examples, deadline=None, phases=set(Phase) - {Phase.explain})
    settings.load_profile("rack")
