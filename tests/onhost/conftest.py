"""Share the recorded program of tests/components with tests that run its steps on hosts."""

from tests.components.conftest import loops, no_callbacks, plan

__all__ = ["loops", "no_callbacks", "plan"]
