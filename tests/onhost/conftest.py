"""The recorded program of tests/components, for tests that run its steps on hosts."""

from tests.components.conftest import loops, plan

__all__ = ["loops", "plan"]
