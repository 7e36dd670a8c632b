"""The base class of the provider's handlers."""

from providers.ufm.handler import ResourceHandler
from providers.ufm.plugin import HANDLERS


def test_a_handler_implements_the_whole_life_cycle() -> None:
    """A type without one of them would fail at its first use only, in a user's stack."""
    assert ResourceHandler.__abstractmethods__ == {"check", "create", "read", "delete"}
    assert not any(handler.__abstractmethods__ for handler in HANDLERS.values())
