"""UFM's jobs: the records of asynchronous operations, which clients poll."""

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from lab.ufm.accounts import User

KEPT_JOBS = 500
"""Older jobs are dropped."""


class Jobs:
    """The jobs of one UFM. Thread-safe."""

    def __init__(self, stored: Mapping[str, Any], lock: threading.RLock, save: Callable[[], None]) -> None:
        """Read what `dump` returned. The arguments are those of `lab.ufm.accounts.Accounts`."""
        self._lock, self._save = lock, save
        self._jobs: dict[int, dict[str, Any]] = {int(number): job for number, job in stored.get("jobs", {}).items()}
        self._last = int(stored.get("last_job", 0))
        self._polls_left: dict[int, int] = {}
        """How many more polls see the job as running."""

    def __len__(self) -> int:
        return len(self._jobs)

    def dump(self) -> dict[str, Any]:
        """Return the jobs for the state file."""
        return {"jobs": self._jobs, "last_job": self._last}

    def create(self, operation: str, user: User, related: list[str], status: str = "Completed", polls: int = 0) -> int:
        """Record a job with its final status and return its number.

        The PKey table changes at once and only OpenSM follows later, so a job is complete when it is created.

        Args:
            operation: the operation and description that clients see.
            user: the user who called the operation.
            related: IDs of the objects that the operation changes.
            status: how the job ends.
            polls: how many polls see the job as running before they see `status`.
        """
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        with self._lock:
            self._last += 1
            if polls:
                self._polls_left[self._last] = polls
            self._jobs[self._last] = {
                "ID": str(self._last),
                "Status": status,
                "Progress": 100,
                "Description": operation,
                "Created": now,
                "LastUpdated": now,
                "Summary": "",
                "RelatedObjects": related or "",
                "CreatedBy": user.name,
                "Operation": operation,
                "Foreground": True,
                "SiteName": None,
            }
            self._jobs.pop(self._last - KEPT_JOBS, None)
            self._save()
            return self._last

    def listing(self) -> list[dict[str, Any]]:
        """Return all jobs with their final status. Does not count as a poll."""
        with self._lock:
            return list(self._jobs.values())

    def poll(self, wanted: Callable[[int], bool]) -> list[dict[str, Any]]:
        """Return the jobs whose number is `wanted`, as a client sees them, and count the poll."""
        with self._lock:
            return [self._polled(number) for number in self._jobs if wanted(number)]

    def delete(self, number: int) -> None:
        """Delete a job. Idempotent."""
        with self._lock:
            self._jobs.pop(number, None)
            self._save()

    def _polled(self, number: int) -> dict[str, Any]:
        job, left = self._jobs[number], self._polls_left.pop(number, 0)
        if not left:
            return job
        self._polls_left[number] = left - 1
        return {**job, "Status": "Running", "Progress": 50}
