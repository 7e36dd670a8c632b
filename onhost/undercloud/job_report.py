"""Excerpts of a job's log: single lines while the job runs, the failing step after a failure."""

import json
import re
from typing import List

WIDTH = 400
"""Characters of a line that are shown; Ansible writes lines of many thousands."""
SHOWN_LINES, SHOWN_END = 24, 6
"""Lines of a failure that are shown, and how many of them are the log's last."""

HEADING = re.compile(r"\| +TASK \||^(TASK|RUNNING HANDLER) \[")
"""Start of a step, in TripleO's format for Ansible (`DATE | UUID | TASK | name`) and in Ansible's own."""
FAILED = re.compile(r"\| +FATAL \||^(fatal|failed): \[|\b(CREATE|UPDATE|DELETE)_FAILED\b|^ERROR! ")
ANSWER = re.compile(r"^(.*?)(?: => |\berror=)(\{.*\})\s*$")
"""The answer of an Ansible module, behind the host."""
UNPRINTABLE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def printable(line: bytes) -> str:
    """Return a line of a log without control characters, and shortened."""
    return shortened(UNPRINTABLE.sub("", line.decode(errors="replace")).rstrip())


def shortened(line: str) -> str:
    """Return at most WIDTH characters of a line."""
    return line if len(line) <= WIDTH else line[: WIDTH - 2] + " …"


def text_lines(text: bytes) -> List[str]:
    """Return the lines of a log that are not blank, without control characters."""
    lines = UNPRINTABLE.sub("", text.decode(errors="replace")).split("\n")
    return [line.rstrip() for line in lines if line.strip()]


def failing_step(lines: List[str]) -> List[str]:
    """Return the lines of a log that say why it failed: the last failed step with its heading, and the log's end."""
    failed = [i for i, line in enumerate(lines) if FAILED.search(line) and not ignored(lines, i)]
    if not failed:
        return [shortened(line) for line in lines[-SHOWN_LINES:]]
    headings = [i for i in range(failed[-1]) if HEADING.search(lines[i])]
    step = [lines[headings[-1]]] if headings else []
    after = headings[-1] if headings else 0
    for at in failed:
        if at >= after:
            after = detail_end(lines, at)
            step += [*explained(lines[at]), *lines[at + 1 : after]]
    most = SHOWN_LINES - SHOWN_END - 1
    step = [*step[:most], f"… {len(step) - most} lines more"] if len(step) > most else step
    end = lines[max(after, len(lines) - SHOWN_END) :]
    return [shortened(line) for line in (*step, *end)]


def ignored(lines: List[str], at: int) -> bool:
    """Return whether Ansible ignores the failure in this line."""
    return lines[detail_end(lines, at) :][:1] == ["...ignoring"]


def detail_end(lines: List[str], at: int) -> int:
    """Return the index behind a failure's details: indented lines, and the brace that closes them."""
    end = at + 1
    while end < len(lines) and lines[end][:1] in (" ", "\t", "}"):
        end += 1
    return end


def explained(line: str) -> List[str]:
    """Return a failure as the module's message and the end of its output, instead of a long line of JSON."""
    found = ANSWER.match(line)
    try:
        answer = json.loads(found.group(2)) if found else {}
    except ValueError:
        answer = {}
    if not found or not answer.get("msg"):
        return [line]
    output = str(answer.get("stderr") or answer.get("module_stderr") or answer.get("stdout") or "")
    return [
        f"{found.group(1).rstrip(' |')}: {' '.join(str(answer['msg']).split())}",
        *(f"    {text}" for text in output.splitlines()[-4:] if text.strip()),
    ]
