"""`python -m rack diff`: a preview as a review."""

import json
import sys
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from rack.plan import Plan
from rack.site.load import load_stack_file
from rack.tripleo.documents import HOME, documents, placeholder
from review.markdown import markdown
from review.preview import ask, parse
from review.report import Report, report
from review.terminal import terminal

STDIN = "-"


@dataclass(frozen=True)
class Options:
    """What to show, and how."""

    stack: str
    file: str | None
    """Where the preview's JSON is; `-` for standard input; None to run `pulumi`."""
    refresh: bool
    """Run `pulumi refresh --preview-only` instead of `pulumi preview`."""
    base: Path | None
    """The stack file of the deployed configuration, for documents that contain a secret."""
    form: str
    """terminal, markdown or json."""
    save: Path | None
    """A file for the report as JSON, besides what is printed."""
    fail_on: Collection[str]
    """Kinds of interruptions (`review.effects.EFFECTS`)."""


def run(options: Options) -> int:
    """Print the report; return 2 if the preview failed, 1 if it has an interruption of a kind in `fail_on`, else 0.

    Raises:
        PreviewError: there is no preview.
        ConfigError: a stack file is invalid.
        OSError: a file can't be read or written.
    """
    preview = parse(_text(options))
    found = report(preview, options.stack, masked(options.stack, options.base) if options.base else {})
    if options.save:
        options.save.write_text(written(found, "json", coloured=False))
    print(written(found, options.form, sys.stdout.isatty()), end="")
    if found.errors:
        return 2
    return 1 if any(effect.kind in options.fail_on for effect in found.effects) else 0


def written(found: Report, form: str, coloured: bool) -> str:
    """Return the report in a format."""
    if form == "json":
        return json.dumps(asdict(found), indent=2, ensure_ascii=False) + "\n"
    return markdown(found) if form == "markdown" else terminal(found, coloured=coloured)


def _text(options: Options) -> str:
    if options.file == STDIN:
        return sys.stdin.read()
    return Path(options.file).read_text() if options.file else ask(options.stack, refresh=options.refresh)[0]


def masked(stack: str, base: Path) -> Mapping[str, tuple[str, str]]:
    """Return the documents with a secret, before and after, with placeholders in place of secrets; by path."""
    files = (base, Path(f"Pulumi.{stack}.yaml"))
    texts = [_secret_documents(Plan(load_stack_file(file), stack, placeholder("ufmCaFile"))) for file in files]
    paths = sorted({*texts[0], *texts[1]})
    return {f"{HOME}/{path}": (texts[0].get(path, ""), texts[1].get(path, "")) for path in paths}


def _secret_documents(plan: Plan) -> Mapping[str, str]:
    return {document.path: document.render(plan) for document in documents(plan) if document.secret}
