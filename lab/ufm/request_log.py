"""The log of the REST requests that UFM answered."""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from werkzeug.wrappers import Request

from lab.ufm.faults import ENVIRON_FAULT


@dataclass
class RequestLog:
    """The last requests, without their credentials."""

    kept: deque[dict[str, Any]]

    def note(self, asked: Request, status: int, seconds: float = 0) -> None:
        """Add a request.

        Args:
            asked: the request.
            status: the status of the answer; 0 if a fault prevented the answer.
            seconds: the time until the answer.
        """
        entry = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "method": asked.method,
            "path": asked.full_path.removesuffix("?"),
            "status": status,
            "user_agent": asked.headers.get("User-Agent", ""),
            "milliseconds": round(seconds * 1000, 1),
            **({"fault": asked.environ[ENVIRON_FAULT]} if ENVIRON_FAULT in asked.environ else {}),
        }
        self.kept.append(entry)
        print(f"{entry['method']} {entry['path']} {status} {entry['milliseconds']} ms", flush=True)
