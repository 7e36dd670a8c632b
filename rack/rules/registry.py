"""The parts of a design rule: what it says, the function that checks it, and a place where a site breaks it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rack.site import Site


@dataclass(frozen=True)
class Finding:
    """One place in the configuration that breaks a rule."""

    path: str
    """Path of the value in the YAML, such as `nodes[3].address`."""
    found: str
    """The value there, and what is wrong with it."""
    write: str
    """What to do about it, in the imperative."""
    rule: str = ""
    """The rule's ID; `rack.rules.check` fills it in."""

    def __str__(self) -> str:
        return f"{self.path}: found {self.found}; {self.write} ({self.rule})"


Check = Callable[[Site], Iterator[Finding]]


@dataclass(frozen=True)
class Rule:
    """One design rule. Its check has no side effects and never raises, whatever the site contains."""

    id: str
    """Unique, and never reused after the rule is gone."""
    step: str
    """The guide's step that requires the rule."""
    statement: str
    """What must hold, in one line: the text in `docs/configuration.md`."""
    check: Check
    """Yields one finding per broken place."""


def rule(id: str, step: str, statement: str) -> Callable[[Check], Rule]:
    """Return a decorator that makes a rule of its check. List the rule in `rack.rules.RULES` too."""
    return lambda check: Rule(id, step, statement, check)
