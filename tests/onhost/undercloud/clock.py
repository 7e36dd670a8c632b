"""A clock for programs that wait, so that no test does."""

from collections.abc import Callable


class Clock:
    """A clock that advances while a program sleeps, and then calls each function of `each`."""

    def __init__(self) -> None:
        self.now, self.each = 0.0, list[Callable[[], None]]()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 1.0)
        for call in self.each:
            call()
