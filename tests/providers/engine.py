"""A double of the engine for one resource: calls the handler in the engine's order and keeps the state.

All properties pass through the plugin's wire form, as in a real run: numbers arrive as floats, None is omitted.
"""

from typing import Any

from pulumi.output import Unknown

from providers.ufm.handler import ResourceHandler, Session
from providers.ufm.plugin import props, struct
from providers.ufm.provider import Settings

Props = dict[str, Any]

sessions: list[Session] = []
"""All sessions that a test opened; the fixture `conftest.closed` closes them."""


class CheckFailedError(Exception):
    """`failures`: property → reason."""

    def __init__(self, failures: dict[str, str]) -> None:
        super().__init__(failures)
        self.failures = failures


def wire(properties: Props) -> Props:
    """Return `properties` as the other end of the wire receives them."""
    return props(struct(properties))


class Lifecycle:
    """One resource with its state and the messages to the user."""

    def __init__(
        self, handler_class: type[ResourceHandler], config: Props, *, stack: str = "rack/dev", **options: Any
    ) -> None:
        """Describe a resource that does not exist yet.

        Args:
            handler_class: implements its type.
            config: the provider's inputs.
            stack: project and stack of its URN.
            options: the client's timeouts and pauses; without `settle` none.
        """
        project, _, name = stack.partition("/")
        self.urn = f"urn:pulumi:{name}::{project}::{handler_class.pulumi_type}::resource"
        self.messages: list[str] = []
        self._handler_class, self._options = handler_class, {"settle": (), **options}
        self.configure(config)
        self.id = ""
        self.inputs: Props = {}
        self.outputs: Props = {}

    def configure(self, config: Props) -> None:
        """Use other provider inputs from now on."""
        self._config = config
        sessions.append(session := Session.of(Settings.of(wire(config)), **self._options))
        self.handler = self._handler_class(session, lambda _severity, text: self.messages.append(text), self.urn)

    def wait_for_answers(self, timeout: tuple[float, float]) -> None:
        """Wait so many seconds for a connection and for an answer from now on."""
        self._options["timeout"] = timeout
        self.configure(self._config)

    def checked(self, **inputs: Any) -> Props:
        """Return the checked inputs. Raises CheckFailedError."""
        checked, failures = self.handler.check(wire(inputs))
        if failures:
            raise CheckFailedError({f.property: f.reason for f in failures})
        return wire(self.handler.carry(wire(self.inputs), checked))

    def preview(self, **inputs: Any) -> list[str]:
        """Return the messages of a preview of the create."""
        self.messages.clear()
        self.handler.preview(self.checked(**inputs))
        return self.messages

    def up(self, **inputs: Any) -> str:
        """Apply the inputs; return what was done: create, same, update, or a replacement in one of its two orders."""
        checked = self.checked(**inputs)
        if not self.id:
            return self._create(checked, "create")
        diff = self.handler.diff(wire(self.outputs), checked)
        if not diff.changes:
            self.inputs = checked
            return "same"
        if not diff.replaces:
            self.outputs = wire(self.handler.update(wire(self.outputs), checked))
            self.inputs = checked
            return "update"
        if diff.delete_before_replace:
            self.handler.delete(wire(self.outputs))
            return self._create(checked, "delete, create")
        old = wire(self.outputs)
        self._create(checked, "")
        self.handler.delete(old)
        return "create, delete"

    def _create(self, inputs: Props, done: str) -> str:
        assert not any(isinstance(value, Unknown) for value in inputs.values())
        created = self.handler.create(inputs)
        self.id, self.outputs, self.inputs = created.id, wire(created.outputs), inputs
        return done

    def refresh(self) -> Props:
        """Return the refreshed inputs, with which the next preview compares the program; empty if it was deleted."""
        found = self.handler.read(self.id, wire(self.outputs))
        if found is None:
            self.id, self.outputs, self.inputs = "", {}, {}
        else:
            self.id, self.outputs, self.inputs = found.id, wire(found.outputs), wire(found.inputs)
        return self.inputs

    def import_(self, id_: str) -> Props:
        """Return the inputs of the resource with that ID, as `pulumi import` does; empty if there is none."""
        found = self.handler.read(id_, {})
        if found:
            self.id, self.outputs, self.inputs = found.id, wire(found.outputs), wire(found.inputs)
        return self.inputs

    def destroy(self) -> None:
        """Delete the resource."""
        self.handler.delete(wire(self.outputs))
        self.id, self.inputs, self.outputs = "", {}, {}
