"""Counts up the steps that the next `up` is to run again, in the stack's configuration (`access/repair.py`)."""

import subprocess
from collections.abc import Mapping, Sequence


class RepairError(Exception):
    """The configuration cannot be written. The text has Pulumi's reason."""


def counted(counters: Mapping[str, int], steps: Sequence[str]) -> dict[str, int]:
    """Return the new counters of `steps`."""
    return {step: counters.get(step, 0) + 1 for step in steps}


def write(command: Sequence[str], counters: Mapping[str, int]) -> None:
    """Write counters into the stack's configuration. `command`: the program with options for the stack.

    Raises:
        RepairError: Pulumi refuses.
    """
    settings = [word for step, number in counters.items() for word in ("--plaintext", f'repair["{step}"]={number}')]
    done = subprocess.run(
        [*command, "config", "set-all", "--path", *settings], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RepairError(f"`pulumi config set-all` fails: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
