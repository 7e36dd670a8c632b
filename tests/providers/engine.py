"""The engine's part in a resource's life, in a few lines: what it calls in which order, and what it keeps.

Everything passes through the plugin's wire form, as in a real run: numbers arrive as floats, None vanishes.
"""

from typing import Any

from pulumi.output import Unknown

from providers.ufm.plugin import props, struct
from providers.ufm.provider import Kind, Session, Settings

Props = dict[str, Any]

sessions: list[Session] = []
"""All that a test opened; `conftest.closed` closes them."""


class CheckFailedError(Exception):
    """`failures`: property → reason."""

    def __init__(self, failures: dict[str, str]) -> None:
        super().__init__(failures)
        self.failures = failures


def wire(properties: Props) -> Props:
    """`properties` as the other end of the wire sees them."""
    return props(struct(properties))


class Life:
    """One resource, its state, and what the user was told."""

    def __init__(self, kind: type[Kind], config: Props, **how: Any) -> None:
        """`how`: the client's time limits and pauses."""
        self.told: list[str] = []
        self._kind, self._how = kind, how
        self.configure(config)
        self.id = ""
        self.inputs: Props = {}
        self.outs: Props = {}

    def configure(self, config: Props) -> None:
        """The provider's inputs, from now on."""
        sessions.append(session := Session.of(Settings.of(wire(config)), **self._how))
        self.kind = self._kind(session, lambda _how, text: self.told.append(text))

    def checked(self, **inputs: Any) -> Props:
        """The checked inputs. Raises CheckFailedError."""
        news, failures = self.kind.check(wire(inputs))
        if failures:
            raise CheckFailedError({f.property: f.reason for f in failures})
        return wire(news)

    def preview(self, **inputs: Any) -> list[str]:
        """What a preview of the create tells."""
        self.told.clear()
        self.kind.preview(self.checked(**inputs))
        return self.told

    def up(self, **inputs: Any) -> str:
        """What was done: create, same, update, or replace in one of its two orders."""
        news = self.checked(**inputs)
        if not self.id:
            return self._create(news, "create")
        diff = self.kind.diff(wire(self.outs), news)
        if not diff.changes:
            self.inputs = news
            return "same"
        if not diff.replaces:
            self.outs = wire(self.kind.update(wire(self.outs), news))
            self.inputs = news
            return "update"
        if diff.delete_before_replace:
            self.kind.delete(wire(self.outs))
            return self._create(news, "delete, create")
        old_outs = wire(self.outs)
        self._create(news, "")
        self.kind.delete(old_outs)
        return "create, delete"

    def _create(self, news: Props, done: str) -> str:
        assert not any(isinstance(value, Unknown) for value in news.values())
        made = self.kind.create(news)
        self.id, self.outs, self.inputs = made.id, wire(made.outs), news
        return done

    def refresh(self) -> Props:
        """The refreshed inputs: what the next preview compares the program with. Empty when it has vanished."""
        found = self.kind.read(self.id, wire(self.outs))
        if found is None:
            self.id, self.outs, self.inputs = "", {}, {}
        else:
            self.id, self.outs, self.inputs = found.id, wire(found.outs), wire(found.inputs)
        return self.inputs

    def take(self, id_: str) -> Props:
        """`pulumi import`: the inputs of what has that ID; empty where nothing has."""
        found = self.kind.read(id_, {})
        if found:
            self.id, self.outs, self.inputs = found.id, wire(found.outs), wire(found.inputs)
        return self.inputs

    def destroy(self) -> None:
        self.kind.delete(wire(self.outs))
        self.id, self.inputs, self.outs = "", {}, {}
