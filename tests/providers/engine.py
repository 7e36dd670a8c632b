"""The engine's part in a dynamic resource's life, in a few lines: what it calls in which order, and what it keeps.

Everything passes through the SDK's wire form, as in a real run: numbers arrive as floats, None vanishes.
"""

import asyncio
from typing import Any

from pulumi.dynamic import Config, ConfigureRequest
from pulumi.runtime import rpc

from providers.ufm.provider import UfmProvider

Props = dict[str, Any]


class CheckFailedError(Exception):
    """`failures`: property → reason."""

    def __init__(self, failures: dict[str, str]) -> None:
        super().__init__(failures)
        self.failures = failures


def wire(props: Props, *, keep_unknowns: bool = False) -> Props:
    """`props` as the other end of the wire sees them."""
    struct = asyncio.run(rpc.serialize_properties(dict(props), {}))
    read: Props = rpc.deserialize_properties(struct, keep_unknowns)
    return read


def configured(provider: UfmProvider, config: dict[str, Any]) -> UfmProvider:
    provider.configure(ConfigureRequest(Config({f"rack:{key}": value for key, value in config.items()}, "rack")))
    return provider


class Life:
    """One resource and its state."""

    def __init__(self, provider: UfmProvider) -> None:
        self.provider = provider
        self.id = ""
        self.inputs: Props = {}
        self.outs: Props = {}

    def checked(self, **inputs: Any) -> Props:
        """The checked inputs. Raises CheckFailedError."""
        result = self.provider.check(wire(self.inputs, keep_unknowns=True), wire(inputs, keep_unknowns=True))
        if result.failures:
            raise CheckFailedError({f.property: f.reason for f in result.failures})
        return wire(result.inputs)

    def up(self, **inputs: Any) -> str:
        """What was done: create, same, update, or replace in one of its two orders."""
        news = self.checked(**inputs)
        if not self.id:
            return self._create(news, "create")
        diff = self.provider.diff(self.id, wire(self.outs, keep_unknowns=True), wire(news, keep_unknowns=True))
        assert diff.changes in (True, False)
        if not diff.changes:
            self.inputs = news
            return "same"
        if not diff.replaces:
            self.outs = wire(self.provider.update(self.id, wire(self.outs), news).outs or {})
            self.inputs = news
            return "update"
        if diff.delete_before_replace:
            self.provider.delete(self.id, wire(self.outs))
            return self._create(news, "delete, create")
        old_id, old_outs = self.id, wire(self.outs)
        self._create(news, "")
        self.provider.delete(old_id, old_outs)
        return "create, delete"

    def _create(self, news: Props, done: str) -> str:
        result = self.provider.create(news)
        self.id, self.outs, self.inputs = result.id, wire(result.outs or {}), news
        return done

    def refresh(self) -> Props:
        """The refreshed inputs: what the next preview compares the program with. Empty when it has vanished."""
        result = self.provider.read(self.id, wire(self.outs))
        assert result.id is not None and result.outs is not None, "the SDK's server takes no None here"
        self.id, self.outs, self.inputs = result.id, wire(result.outs), wire(result.inputs or {})
        return self.inputs

    def destroy(self) -> None:
        self.provider.delete(self.id, wire(self.outs))
        self.id, self.inputs, self.outs = "", {}, {}
