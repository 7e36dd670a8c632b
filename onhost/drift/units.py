"""Units of systemd, jobs of the rack, and the commands with which a host is looked at."""

import json
import subprocess
from pathlib import Path
from typing import Any, Dict, Optional

JOBS = "/var/lib/rack-jobs"
"""Records of the job runner (onhost/undercloud/job_runs.py)."""


class LookError(Exception):
    """A command that only reads has failed. The text names it and has its reason."""


def output(*command: str, missing: Optional[str] = None) -> str:
    """Return the standard output of a command that only reads.

    Args:
        command: program and arguments.
        missing: returned where the command fails, or does not exist; None: that is an error.

    Raises:
        LookError: it failed.
    """
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # noqa: UP022
    except OSError as error:
        if missing is not None:
            return missing
        raise LookError(f"`{' '.join(command[:2])}`: {error.strerror}") from None
    if done.returncode and missing is not None:
        return missing
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or [f"status {done.returncode}"]
        raise LookError(f"`{' '.join(command[:2])}`: {said[-1]}")
    return done.stdout.decode(errors="replace")


def unit_facts(unit: str) -> Dict[str, str]:
    """Return in systemd's words whether a unit is enabled and active; both commands fail where it is not."""
    return {"enabled": _said("is-enabled", unit), "active": _said("is-active", unit)}


def _said(verb: str, unit: str) -> str:
    done = subprocess.run(["systemctl", verb, unit], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.decode(errors="replace").strip() or "unknown"


def job_facts(name: str) -> Dict[str, Any]:
    """Return key, status and times of the last run of a job; nothing if there is none.

    A command line is not returned: it is the operator's own, and the key is a digest of it.
    """
    runs = sorted(Path(JOBS, name).glob("[0-9]*/state"), key=lambda state: int(state.parent.name))
    if not runs:
        return {}
    state = json.loads(runs[-1].read_text())
    return {key: state.get(key) for key in ("key", "status", "at", "ended")}
