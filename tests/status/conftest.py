"""The state of the guide's rack, as for `rack drift`."""

from tests.drift.conftest import loops, no_callbacks, no_stack_traces, node_facts, plan, promised, rack, state

__all__ = ["loops", "no_callbacks", "no_stack_traces", "node_facts", "plan", "promised", "rack", "state"]
