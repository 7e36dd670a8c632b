"""The base class of all components."""

from typing import Any, ClassVar

import pulumi


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
