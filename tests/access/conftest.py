"""Share Pulumi's mocks with tests/components: steps are registered and recorded."""

from tests.components.conftest import loops, no_callbacks, no_stack_traces, plan

__all__ = ["loops", "no_callbacks", "no_stack_traces", "plan"]
