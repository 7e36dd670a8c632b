"""Tests that look at each row of a page, or at each part of the code that needs a row."""

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def for_each(
    values: Iterable[T], name: Callable[[T], str] = str
) -> Callable[[Callable[[T], None]], Callable[[], None]]:
    """Run a test for each value, as one test that reports every failure with the value's name.

    pytest spends as much time on a test of its own as such a test takes, and the pages have a thousand rows.
    """
    listed = list(values)
    assert listed

    def decorate(test: Callable[[T], None]) -> Callable[[], None]:
        def whole() -> None:
            failures = []
            for value in listed:
                try:
                    test(value)
                except AssertionError as error:
                    error.add_note(f"for {name(value)}")
                    failures.append(error)
            if failures:
                raise ExceptionGroup(f"{len(failures)} of {len(listed)} fail", failures)

        # Not functools.wraps: pytest would look for a fixture of the parameter's name.
        whole.__name__, whole.__qualname__, whole.__doc__ = test.__name__, test.__qualname__, test.__doc__
        return whole

    return decorate
