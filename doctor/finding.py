"""What a check found."""

from enum import StrEnum
from typing import NamedTuple


class Status(StrEnum):
    """How a check ended, the most important first."""

    ERROR = "error"
    """`up` would fail, or do damage."""
    WARNING = "warning"
    """`up` may fail later."""
    UNKNOWN = "unknown"
    """Could not be checked; the text says why."""
    OK = "ok"


class Finding(NamedTuple):
    """The result of one check."""

    status: Status
    where: str
    """The host, file or service: "undercloud (192.168.24.1)"."""
    found: str
    fix: str = ""
    """What to do. Empty for `ok`."""
    step: str = ""
    """The guide's step, e.g. C1."""

    def __str__(self) -> str:
        step = f" ({self.step})" if self.step else ""
        return f"{self.status.upper():8} {self.where}: {self.found}{'; ' if self.fix else ''}{self.fix}{step}"


def ok(where: str, found: str, step: str = "") -> Finding:
    """Return the finding that all is well."""
    return Finding(Status.OK, where, found, "", step)


def error(where: str, found: str, fix: str, step: str = "") -> Finding:
    """Return a finding that stops `up`."""
    return Finding(Status.ERROR, where, found, fix, step)


def warning(where: str, found: str, fix: str, step: str = "") -> Finding:
    """Return a finding that may stop `up` later."""
    return Finding(Status.WARNING, where, found, fix, step)


def unknown(where: str, found: str, fix: str, step: str = "") -> Finding:
    """Return a finding that something was not checked."""
    return Finding(Status.UNKNOWN, where, found, fix, step)
