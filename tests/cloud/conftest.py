"""Share the event loops of Pulumi's mocks with tests/components."""

from tests.components.conftest import loops

__all__ = ["loops"]
