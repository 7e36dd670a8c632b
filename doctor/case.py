"""What the checks start from: the site, its secrets and the operator's machine."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rack.plan import Plan
from rack.site import SECRETS, Site

SECONDS = 30
"""Limit of a local program."""


@dataclass(frozen=True)
class Case:
    """One site to look at."""

    plan: Plan
    configured: frozenset[str]
    """Keys of the secrets that the stack's file has."""
    secrets: Mapping[str, Any] = field(default_factory=dict)
    """The values of the secrets that could be decrypted."""
    undecrypted: str = ""
    """Why the secrets could not be decrypted; empty if they were."""

    @property
    def site(self) -> Site:
        """Return the site."""
        return self.plan.site

    def bmc_password(self, node: str) -> str | None:
        """Return the password of a node's BMC, if it was decrypted."""
        own = self.secrets.get("ipmiPasswords") or {}
        return own.get(node) or self.secrets.get("ipmiPassword")


def decrypted(stack: str) -> tuple[Mapping[str, Any], str]:
    """Return the secrets of a stack, which Pulumi's CLI decrypts, and why that failed."""
    pulumi = shutil.which("pulumi")
    if pulumi is None:
        return {}, "no program pulumi on the PATH"
    command = [pulumi, "config", "--show-secrets", "--json", "--non-interactive", "--stack", stack]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        found = json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return {}, f"pulumi config: {type(error).__name__}"
    if found is None:
        return {}, f"pulumi config: {_last_line(done.stderr)}"
    return {key: _value(found[f"rack:{key}"]) for key in SECRETS if f"rack:{key}" in found}, ""


def _value(entry: Mapping[str, Any]) -> Any:
    return entry.get("objectValue", entry.get("value"))


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]
