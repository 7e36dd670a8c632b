"""The base class of all components."""

from collections.abc import Awaitable
from typing import Any, ClassVar, TypeVar, cast

import pulumi

T = TypeVar("T")


def untracked(output: pulumi.Output[T]) -> pulumi.Output[T]:
    """Return the value without the resources that it comes from.

    For inputs of steps that come after these resources anyway. When a deletion fails, the engine walks every path of
    dependencies from there (see `components.protection`), and counts a resource once more for each input.
    """
    return pulumi.Output(
        set(), cast(Awaitable[T], output.future(with_unknowns=True)), output.is_known(), output.is_secret()
    )


class Component(pulumi.ComponentResource):
    """A group of resources under one parent. A subclass sets `TYPE` and calls `register_outputs` at its end."""

    TYPE: ClassVar[str]
    """Pulumi's type token, `rack:<area>:<Name>`. It never changes: another one would replace all children."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        """Register the component; the names of its children start with `name`."""
        super().__init__(self.TYPE, name, None, opts)
        self._name = name

    def _child(self, *depends_on: pulumi.Resource, **more: Any) -> pulumi.ResourceOptions:
        """Return the options of a child. `more`: further arguments of ResourceOptions."""
        return pulumi.ResourceOptions(parent=self, depends_on=list(depends_on), **more)
