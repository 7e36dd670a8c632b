"""A report for a terminal."""

from collections.abc import Iterator

from review.markdown import headline
from review.report import Report

BOLD, RED, GREEN, YELLOW, PLAIN = "\033[1m", "\033[31m", "\033[32m", "\033[33m", "\033[0m"
COLOURS = {"+": GREEN, "-": RED, "~": YELLOW, "±": RED, "@": BOLD}


def terminal(report: Report, *, coloured: bool) -> str:
    """Return the report as text."""
    text = "\n".join(_lines(report)) + "\n"
    return text if coloured else _stripped(text)


def _stripped(text: str) -> str:
    for code in (BOLD, RED, GREEN, YELLOW, PLAIN):
        text = text.replace(code, "")
    return text


def _lines(report: Report) -> Iterator[str]:
    yield f"{BOLD}{report.stack}: {headline(report).strip('*')}{PLAIN}"
    for effect in report.effects:
        yield f"  {RED}{effect.kind:8}{PLAIN} {effect.text}"
    if not report.effects and not report.refreshed and not report.errors and len(report.counts) > 1:
        yield "  Nothing is interrupted."
    for message in (*report.errors, *report.warnings):
        yield from (f"  {YELLOW}{line}{PLAIN}" for line in message.splitlines())
    for section in report.sections:
        yield from _block(section.title, section.lines)
    for document in report.documents:
        yield from _block(document.path, document.diff or (document.hidden,))
    yield from _block("Steps that run again as they are", report.repeated)
    yield from _block("What the preview cannot know", report.unknown)
    yield from _block("Notes", report.notes)


def _block(title: str, lines: tuple[str, ...]) -> Iterator[str]:
    if lines:
        yield ""
        yield f"{BOLD}{title}{PLAIN}"
        yield from (f"  {_coloured(line)}" for line in lines)


def _coloured(line: str) -> str:
    colour = COLOURS.get(line.lstrip()[:1], "")
    return f"{colour}{line}{PLAIN}" if colour else line
