"""The option `rack:repair`: which steps an `up` runs again although nothing of them has changed."""

from collections.abc import Iterator, Mapping
from typing import Any

ADVICE = "write a mapping of steps to positive numbers, as `python -m rack drift --repair` does"


def problems(value: Any) -> Iterator[str]:
    """Yield a problem per entry that is no counter."""
    if not isinstance(value, Mapping):
        yield f"rack:repair: found {type(value).__name__}; {ADVICE}"
        return
    for step, counter in value.items():
        if not str(counter).isdecimal() or isinstance(counter, bool) or int(counter) < 1:
            yield f"rack:repair.{step}: found {str(counter)[:20]!r}; {ADVICE}"


def counters(value: Any) -> Mapping[str, int]:
    """Return step → counter of a value without problems. The command line may have stored a number as text."""
    return {str(step): int(counter) for step, counter in value.items()}
