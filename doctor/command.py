"""Run all checks at the same time, and report."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from doctor import builder, hosts, local, ufm, ufm_host
from doctor.case import Case, decrypted
from doctor.finding import Finding, Status, error
from rack.plan import Plan
from rack.site import SECRETS
from rack.site.load import load_stack_file

Check = Callable[[Case], Iterator[Finding]]
CHECKS: Sequence[Check] = (local.check, ufm.check, ufm_host.check, hosts.undercloud, builder.check)


def run(stack: str, *, as_json: bool = False) -> int:
    """Look at a stack's site, print the findings, and return the exit status: 1 if there are errors, else 0.

    Raises:
        ConfigError: the stack's file is invalid.
        OSError: it cannot be read.
    """
    found = findings(case_of(stack))
    print(_json(found) if as_json else _text(stack, found))
    return 1 if any(finding.status is Status.ERROR for finding in found) else 0


def case_of(stack: str) -> Case:
    """Return what the checks of a stack start from."""
    file = Path(f"Pulumi.{stack}.yaml")
    plan = Plan(load_stack_file(file), stack, None)
    keys = {str(key).removeprefix("rack:") for key in yaml.safe_load(file.read_text())["config"]}
    secrets, problem = decrypted(stack)
    return Case(plan, frozenset(keys & set(SECRETS)), secrets, problem)


def findings(case: Case, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """Return all findings, the most important first."""
    with ThreadPoolExecutor(len(checks)) as pool:
        found = [finding for part in pool.map(lambda check: _safely(check, case), checks) for finding in part]
    order = list(Status)
    return sorted(found, key=lambda finding: order.index(finding.status))


def _safely(check: Check, case: Case) -> list[Finding]:
    """Return the findings of one check; an unexpected error does not hide those of the others."""
    try:
        return list(check(case))
    except Exception as unexpected:
        name = f"{check.__module__}.{check.__name__}"
        return [error(name, f"the check failed: {type(unexpected).__name__}: {unexpected}", "report this as a bug")]


def _json(found: Sequence[Finding]) -> str:
    return json.dumps([{**finding._asdict(), "status": str(finding.status)} for finding in found], indent=1)


def _text(stack: str, found: Sequence[Finding]) -> str:
    count = Counter(finding.status for finding in found)
    summary = ", ".join(f"{count[status]} {status}" for status in Status)
    return "\n".join([*map(str, found), f"{stack}: {summary}; nothing was changed"])
