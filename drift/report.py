"""The report by host, for a terminal, a comment or a program. No secret is in it."""

import json
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path

from drift.finding import Finding, Severity
from drift.state import CREDENTIAL_LINE, RANDOM

HIDDEN = "[secret]"
BOLD, RED, GREEN, YELLOW, PLAIN = "\033[1m", "\033[31m", "\033[32m", "\033[33m", "\033[0m"
COLOURS = {Severity.BROKEN: RED, Severity.DRIFT: YELLOW, Severity.UNKNOWN: YELLOW}
LIMIT, ROOM = 65_536, 2_000
"""Characters that GitHub accepts in a comment, and those that are kept free."""


@dataclass(frozen=True)
class Report:
    """Everything that is shown."""

    stack: str
    looked: tuple[str, ...]
    """Hosts that were entered, and `UFM and OpenStack`."""
    findings: tuple[Finding, ...]
    """By host, in the order of `looked`; the worst of a host first."""

    def count(self, severity: Severity) -> int:
        """Return the number of findings of a severity."""
        return sum(finding.severity is severity for finding in self.findings)

    @property
    def steps(self) -> tuple[str, ...]:
        """Return the steps that repair something when they run again."""
        return tuple(dict.fromkeys(finding.step for finding in self.findings if finding.step))

    @property
    def refreshes(self) -> bool:
        """Return whether an object at UFM or in OpenStack differs, which a refresh tells `up`."""
        return any(finding.kind == "resource" and finding.severity is not Severity.UNKNOWN for finding in self.findings)

    @property
    def headline(self) -> str:
        """Return the result in one line."""
        if not self.findings:
            return f"no drift; looked at {', '.join(self.looked)}"
        counts = Counter(finding.severity for finding in self.findings)
        hosts = len({finding.host for finding in self.findings})
        words = {Severity.BROKEN: "broken", Severity.DRIFT: "drifted", Severity.UNKNOWN: "not looked at"}
        told = ", ".join(f"{counts[severity]} {word}" for severity, word in words.items() if counts[severity])
        return f"{told}, at {hosts} place{'' if hosts == 1 else 's'}"


def report(stack: str, looked: Sequence[str], findings: Collection[Finding], secrets: Collection[str]) -> Report:
    """Return the report of all findings, without `secrets`."""
    places, severities = list(dict.fromkeys([*looked, *(f.host for f in findings)])), list(Severity)
    safe = (without_secrets(finding, secrets) for finding in dict.fromkeys(findings))
    order = sorted(safe, key=lambda f: (places.index(f.host), severities.index(f.severity)))
    return Report(stack, tuple(looked), tuple(order))


def hidden(text: str, secrets: Collection[str]) -> str:
    """Return the text without these secrets. The longest go first: a part of one may be another."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def without_secrets(finding: Finding, secrets: Collection[str]) -> Finding:
    """Return the finding without secrets: neither those that are known nor what looks like one."""

    def safe(line: str) -> str:
        """Return a line of a diff; its sign is not part of a key."""
        return line[:1] + RANDOM.sub(HIDDEN, CREDENTIAL_LINE.sub(rf"\1{HIDDEN}", hidden(line, secrets))[1:])

    detail = tuple(map(safe, finding.detail))
    return replace(finding, found=hidden(finding.found, secrets), detail=detail, remedy=hidden(finding.remedy, secrets))


def written(found: Report, form: str, *, coloured: bool) -> str:
    """Return the report in a format: terminal, markdown or json."""
    if form == "json":
        return json.dumps(document(found), indent=2, ensure_ascii=False) + "\n"
    return markdown(found) if form == "markdown" else terminal(found, coloured=coloured)


def document(found: Report) -> Mapping[str, object]:
    """Return the report as JSON's types."""
    return {
        "stack": found.stack,
        "looked": list(found.looked),
        "counts": {str(severity): found.count(severity) for severity in Severity},
        "findings": [{**asdict(finding), "severity": str(finding.severity)} for finding in found.findings],
        "steps": list(found.steps),
        "refresh": found.refreshes,
    }


def read(text: str) -> Report:
    """Return the report in a text that `written` has made as JSON."""
    found = json.loads(text)
    findings = (
        Finding(**{**finding, "severity": Severity(finding["severity"]), "detail": tuple(finding["detail"])})
        for finding in found["findings"]
    )
    return Report(found["stack"], tuple(found["looked"]), tuple(findings))


def _remedy(finding: Finding) -> str:
    if not finding.step:
        return f"by hand: {finding.remedy}"
    return f"repair: step {finding.step}{'; ' if finding.remedy else ''}{finding.remedy}"


def advice(found: Report) -> str:
    """Return the commands that repair what can be repaired; empty if nothing can."""
    commands = [f"python -m rack drift --stack {found.stack} --repair"] if found.steps else []
    if found.steps or found.refreshes:
        commands.append(f"pulumi up{' --refresh' if found.refreshes else ''} --stack {found.stack}")
    return " && ".join(commands)


def terminal(found: Report, *, coloured: bool) -> str:
    """Return the report as text."""
    text = "\n".join(_lines(found)) + "\n"
    if coloured:
        return text
    for code in (BOLD, RED, GREEN, YELLOW, PLAIN):
        text = text.replace(code, "")
    return text


def _lines(found: Report) -> Iterator[str]:
    yield f"{BOLD}{found.stack}: {found.headline}{PLAIN}"
    for host, group in groupby(found.findings, key=lambda finding: finding.host):
        yield ""
        yield f"{BOLD}{host}{PLAIN}"
        for finding in group:
            yield f"  {COLOURS[finding.severity]}{finding.severity:8}{PLAIN} {finding.found}"
            for line in finding.detail:
                colour = {"-": RED, "+": GREEN}.get(line[:1], "")
                yield f"             {colour}{line}{PLAIN if colour else ''}"
            yield f"           {_remedy(finding)}"
    if command := advice(found):
        yield ""
        yield f"To repair: {command}"


def markdown(found: Report) -> str:
    """Return the report for a comment or the summary of a job, below GitHub's limit."""
    blocks = [f"<!-- rack drift: {found.stack} -->\n**{found.stack}: {found.headline}**\n"]
    for host, group in groupby(found.findings, key=lambda finding: finding.host):
        blocks.append("\n".join([f"\n### {host}\n", *(_item(finding) for finding in group), ""]))
    if command := advice(found):
        blocks.append(f"\nTo repair:\n\n```sh\n{command}\n```\n")
    text, left = "", LIMIT - ROOM
    for number, block in enumerate(blocks):
        if len(text) + len(block) > left:
            return f"{text}\n… {len(blocks) - number} more parts: `python -m rack drift --format json` has all.\n"
        text += block
    return text


def _item(finding: Finding) -> str:
    diff = "\n".join(f"  {line}" for line in finding.detail)
    shown = f"\n\n  ```diff\n{diff}\n  ```\n" if diff else ""
    return f"- **{finding.severity}** {finding.found}. {_remedy(finding).capitalize()}{shown}"


if __name__ == "__main__":
    print(markdown(read(Path(sys.argv[1]).read_text())), end="")
