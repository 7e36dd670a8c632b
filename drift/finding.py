"""One difference between what `up` left and what is there."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a difference matters, the worst first."""

    BROKEN = "broken"
    """Something that should work does not: a container, a nova service, an object that is gone."""
    DRIFT = "drift"
    """Something is not as `up` left it."""
    UNKNOWN = "unknown"
    """It could not be looked at; the text says why."""


@dataclass(frozen=True)
class Finding:
    """A difference."""

    severity: Severity
    host: str
    """`undercloud (192.168.24.1)`, a node's name, `UFM` or `OpenStack`."""
    kind: str
    """file, unit, container, firmware, acs, option, deployment, service, node, resource, or connection."""
    found: str
    """What is different, in one line: the object first."""
    detail: tuple[str, ...] = ()
    """Lines of a diff."""
    step: str = ""
    """The step that repairs it when it runs again; empty if none does."""
    remedy: str = ""
    """What to do where no step repairs it, or before the step can."""
