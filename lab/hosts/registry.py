"""Which function handles which command on which kind of host.

Handlers register themselves when `lab.hosts.commands` is imported. This module imports neither the handlers nor the
kinds of host, so both can import it.
"""

from collections.abc import Callable
from typing import Any, TypeVar

Handler = Callable[[Any], int | None]
"""Receives a `lab.hosts.call.Call` and returns the exit status (None: 0)."""
H = TypeVar("H", bound=Callable[..., object])


class Registry:
    """Functions by kind of host and name. A kind inherits the entries of its base classes and may override them."""

    def __init__(self) -> None:
        self._functions: dict[tuple[type, str], Callable[..., Any]] = {}

    def register(self, name: str, *kinds: type) -> Callable[[H], H]:
        """Return a decorator that registers a function for `name` on hosts of these kinds.

        Raises:
            ValueError: (when the decorator is applied) another function has the same kind and name.
        """

        def add(function: H) -> H:
            for kind in kinds:
                if (kind, name) in self._functions:
                    raise ValueError(f"{name!r} is registered twice for {kind.__name__}")
                self._functions[kind, name] = function
            return function

        return add

    def find(self, kind: type, name: str) -> Callable[..., Any] | None:
        """Return the function for `name` on hosts of this kind; None if there is none."""
        found = (self._functions.get((base, name)) for base in kind.__mro__)
        return next((function for function in found if function is not None), None)

    def names(self, kind: type) -> list[str]:
        """Return every name that has a function on hosts of this kind, sorted."""
        return sorted({name for base, name in self._functions if issubclass(kind, base)})

    def functions(self) -> set[Callable[..., Any]]:
        """Return every registered function."""
        return {*self._functions.values()}


COMMANDS = Registry()
"""Commands of the shell: `Handler`."""
UNITS = Registry()
"""systemd units that do something when they are started or stopped: (call, verb)."""
PACKAGES = Registry()
"""Packages that put files on the disk when they are installed: (call)."""

command = COMMANDS.register
