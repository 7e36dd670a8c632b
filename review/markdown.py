"""A report as Markdown, for a comment in a pull request: below GitHub's limit, whatever the preview's size."""

from collections.abc import Iterator, Sequence

from review.report import Report

LIMIT = 65_536
"""Characters that GitHub accepts in a comment."""
ROOM = 2_000
"""Characters that are kept free for what a workflow writes around the report."""
LINES = 400
"""Lines of one collapsible part. More of them do not help a reader; the JSON has all."""
SHOWN = 40
"""Lines of one message."""
MARKER = "<!-- rack diff: {} -->"
"""The first line of a comment, by which a workflow finds the comment that it updates."""


def markdown(report: Report, limit: int = LIMIT - ROOM) -> str:
    """Return the report. Where it does not fit, details get shorter, then go; interruptions are shortened last."""
    for lines in (LINES, 100, 20, 5, 0):
        text = "\n".join(_blocks(report, lines, 1_000)) + "\n"
        if len(text) <= limit:
            return text
    return _cut("\n".join(_blocks(report, 0, 100)) + "\n", limit)


def _cut(text: str, limit: int) -> str:
    end = "\n\n… cut: the whole report is in the JSON.\n"
    return text if len(text) <= limit else text[: limit - len(end)].rpartition("\n")[0] + end


def _blocks(report: Report, lines: int, interruptions: int) -> Iterator[str]:
    yield MARKER.format(report.stack)
    yield f"### `{report.stack}`: {headline(report)}"
    if report.effects:
        yield ""
        yield f"| | {'Drift' if report.refreshed else 'Interruption'} |"
        yield "|---|---|"
        shown = report.effects[:interruptions]
        yield from (f"| **{effect.kind}** | {_cell(effect.text)} |" for effect in shown)
        if len(shown) < len(report.effects):
            yield f"| | … and {len(report.effects) - len(shown)} more |"
    elif not report.refreshed and not report.errors and _changes(report):
        yield ""
        yield "Nothing is interrupted."
    for message in (*report.errors, *report.warnings):
        yield ""
        yield from (f"> {_cell(line)}  " for line in message.splitlines()[:SHOWN])
    for section in report.sections:
        yield from _part(f"{section.title} ({_top(section.lines)})", section.lines, lines, "diff")
    for document in report.documents:
        content = document.diff or (document.hidden,)
        yield from _part(f"<code>{document.path}</code>", content, lines, "diff" if document.diff else "text")
    yield from _part(f"Steps that run again as they are ({len(report.repeated)})", report.repeated, lines, "text")
    yield from _part("What the preview cannot know", report.unknown, lines, "text")
    yield from _part("Notes", report.notes, lines, "text")


def headline(report: Report) -> str:
    """Return the counts in words: `2 to create, 14 to update, 82 unchanged`."""
    verb = "" if report.refreshed else "to "
    words = [f"{count} {verb}{kind}" for kind, count in report.counts.items() if kind != "unchanged"]
    if report.errors:
        return "**the preview failed**"
    found = "drift: " if report.refreshed else ""
    nothing = "no drift" if report.refreshed else "no changes"
    return f"{found}{', '.join(words)}, {report.counts['unchanged']} unchanged" if words else nothing


def _changes(report: Report) -> bool:
    return any(kind != "unchanged" for kind in report.counts)


def _top(lines: Sequence[str]) -> int:
    return sum(not line.startswith(" ") for line in lines)


def _cell(text: str) -> str:
    """Return one line that neither ends a table's cell nor starts markup."""
    one = " ".join(text.split())
    return one.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("@", "&#64;")


def _part(title: str, content: Sequence[str], limit: int, language: str) -> Iterator[str]:
    """Yield a collapsible part; nothing if there is nothing in it, or no room."""
    if not content or not limit:
        return
    fence = "`" * (max((_ticks(line) for line in content), default=0) + 3)
    yield ""
    yield f"<details><summary>{title}</summary>"
    yield ""
    yield f"{fence}{language}"
    yield from content[:limit]
    if len(content) > limit:
        yield f"… {len(content) - limit} more lines"
    yield fence
    yield ""
    yield "</details>"


def _ticks(line: str) -> int:
    return line.count("`")
