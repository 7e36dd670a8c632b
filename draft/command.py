"""`rack new`: from questions, an answers file, flags, a table of nodes and UFM to a valid stack file."""

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from draft import interview, machines, secrets, stack_text
from draft.document import Document, merge, problems_of, put, typed
from draft.options import NewError, Options
from draft.questions import Draft
from rack.plan import Plan
from rack.site import Site, stack_file
from rack.site.load import ConfigError, parse

NAME = r"[A-Za-z0-9_.-]{1,100}"
"""Names that Pulumi accepts for a stack."""


def run(options: Options) -> int:
    """Make the stack file and return 0.

    Raises:
        NewError: the answers are incomplete or invalid, or the file has a site already; nothing was written.
    """
    file = Path(f"Pulumi.{options.stack}.yaml")
    beside = _beside(options.stack, file)
    draft, given = Draft(_given(options)), machines.Machines([])
    if options.nodes:
        given = _machines(options.nodes)
        draft.site["nodes"] = given.nodes
    _refuse(draft.site)
    try:
        site = _complete(draft, options)
    except (NewError, EOFError, KeyboardInterrupt) as error:
        raise NewError(f"{str(error) or 'interrupted; no file was written'}{_kept(draft, options)}") from None
    file.write_text(stack_text.text(draft.site, beside, options.stack))
    print(f"{file}: written; {len(draft.site['nodes'])} nodes")
    secrets.announce(draft, given, beside, options)
    if not Plan(site, options.stack).has_all_ports:
        print("port GUIDs or fabric.interface are open: introspection determines them, and `rack check` needs them")
    print(f"next: python -m rack check --stack {options.stack}; python -m rack doctor --stack {options.stack}")
    return 0


def _complete(draft: Draft, options: Options) -> Site:
    """Answer all questions, and return the site.

    Raises:
        NewError: an answer is missing, or the site is invalid.
    """
    missing = interview.answer(draft, options)
    if missing:
        raise NewError("\n".join(["the answers are incomplete; no file was written:", *missing]))
    try:
        return parse(draft.site)
    except ConfigError as error:
        raise NewError(str(error).replace("no resource was changed", "no file was written")) from None


def _kept(draft: Draft, options: Options) -> str:
    """Keep the answers of an interview that failed, and return where. They contain no secret."""
    if not options.interactive or not draft.site:
        return ""
    file = Path(f"answers.{options.stack}.yaml")
    file.write_text(stack_text.answers(draft.site))
    return f"\nthe answers so far are in {file}; to continue: rack new --stack {options.stack} --ask --answers {file}"


def _beside(stack: str, file: Path) -> Document:
    """Return what the stack's file contains already: `pulumi stack init` writes a salt.

    Raises:
        NewError: the name is no stack's, or the file has a site.
    """
    if not re.fullmatch(NAME, stack):
        raise NewError(f"--stack: found {stack!r}; write a name of letters, digits and . _ -")
    if not file.exists():
        return {}
    try:
        found = stack_file.read(file.read_bytes()) or {}
    except stack_file.StackFileError as error:
        raise NewError(f"{file}: found text that is not YAML; correct or remove the file: {error}") from None
    config = found.get("config", {}) if isinstance(found, dict) else None
    if not isinstance(config, dict) or {"site", "rack:site"} & config.keys():
        raise NewError(f"{file}: found a site in it, which is never overwritten; write another --stack, or remove it")
    return found


def _given(options: Options) -> Document:
    """Return the answers of the file and of the flags.

    Raises:
        NewError: the file cannot be read, or a flag is not PATH=VALUE.
    """
    site: Document = {}
    if options.answers:
        try:
            found = stack_file.read(options.answers.read_bytes())
        except OSError as error:
            raise NewError(f"--answers: cannot read {options.answers}: {error.strerror}; write a file") from None
        except stack_file.StackFileError as error:
            raise NewError(f"{options.answers}: found text that is not YAML; correct it: {error}") from None
        if not isinstance(found, dict):
            raise NewError(f"{options.answers}: found no mapping; write keys of rack:site, such as `ufm: {{…}}`")
        merge(site, found)
    for setting in options.settings:
        path, equals, text = setting.partition("=")
        if not equals:
            raise NewError(f"--set: found {setting!r}; write PATH=VALUE, such as ufm.address=192.168.24.200")
        try:
            put(site, path, typed(path, text))
        except ValueError as error:
            raise NewError(f"--set: {error}") from None
    return site


def _machines(file: Path) -> machines.Machines:
    try:
        return machines.read(file)
    except machines.MachinesError as error:
        raise NewError(str(error)) from None


def _refuse(site: Document) -> None:
    """Refuse given answers that are invalid by themselves, before the first question.

    Raises:
        NewError: lists them.
    """
    problems = [problem for key, value in site.items() for problem in _of_given(site, key, value)]
    if problems:
        raise NewError("\n".join(["the answers are invalid; no file was written:", *problems]))


def _of_given(site: Document, key: str, value: Any) -> Iterable[str]:
    """Return the problems of a given value. A part of a mapping that is missing will be asked."""
    alone = {other: one for other, one in site.items() if other != key}
    return [f"  - {one}" for one in problems_of(alone, key, value) if ": missing; " not in one]


def terminal() -> bool:
    """Return whether questions can be asked: standard input and output are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()
