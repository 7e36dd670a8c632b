"""Each row of `docs/failures.md` quotes a message of the code, and names a test that looks at it."""

import ast
import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tests.docs.rows import for_each

PROJECT = Path(__file__).resolve().parents[2]
PAGE = PROJECT / "docs/failures.md"
SOURCES = (
    "__main__.py",
    "Makefile",
    "access",
    "ci",
    "cloud",
    "components",
    "doctor",
    "draft",
    "drift",
    "engine",
    "onhost",
    "providers",
    "rack",
    "recovery",
    "review",
)
LISTED = ("access", "ci", "cloud", "components", "doctor", "drift", "recovery", "review")
"""Directories whose errors each have a row. Elsewhere, one row stands for all errors of one key or input."""
LINE_OF_TEXT = re.compile(r'"\s*\n\s*[fr]*"')
"""Between two adjacent string literals."""
REFERENCE = re.compile(r"`(tests/[\w/.-]+)::(\w+)`")
HEADER = "| Message | Meaning | What to do | What the program does by itself | Test |"


class Row(NamedTuple):
    """A row of a table of failures."""

    messages: list[str]
    meaning: str
    action: str
    by_itself: str
    tests: list[tuple[str, str]]
    """File and name."""


def rows(text: str) -> list[Row]:
    """Return the rows of all tables of failures; other tables have another header."""
    found, inside = [], False
    for line in text.splitlines():
        inside = line == HEADER or (inside and line.startswith("|"))
        if inside and line != HEADER and not line.startswith("|--"):
            message, meaning, action, by_itself, tests = (cell.strip() for cell in line.strip("|").split(" | "))
            found.append(Row(re.findall(r"`([^`]+)`", message), meaning, action, by_itself, REFERENCE.findall(tests)))
    return found


def literals(message: str) -> list[str]:
    """Return the parts of a message that are equal in every case."""
    return [part.strip() for part in message.split("…") if re.search(r"\w{2}", part)]


@cache
def source() -> str:
    """Return the text of the product, with adjacent string literals joined."""
    paths = (path for name in SOURCES for path in (PROJECT / name, *sorted((PROJECT / name).rglob("*"))))
    texts = (path.read_text() for path in paths if path.suffix in (".py", ".sh", ".go") or path.name == "Makefile")
    return LINE_OF_TEXT.sub("", "\n".join(texts))


Definition = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


class Raised(NamedTuple):
    """A text with which the product raises an error."""

    place: str
    """File and line."""
    parts: list[str]
    """The parts of the text that are equal in every case."""


def raised() -> list[Raised]:
    """Return the texts of all errors that are raised in `LISTED`; an error without a text passes on another one's."""
    found = []
    for path in (path for name in LISTED for path in sorted((PROJECT / name).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                values = [each.value for each in ast.walk(node.exc) if isinstance(each, ast.Constant)]
                parts = [part for value in values if isinstance(value, str) and len(part := value.strip(" ;:,.")) > 9]
                found += [Raised(f"{path.relative_to(PROJECT)}:{node.lineno}", parts)] if parts else []
    return found


@cache
def definitions(path: str) -> dict[str, tuple[Definition, str]]:
    """Return what a file defines at its top level, with its text, including that of decorators."""
    text = (PROJECT / path).read_text()
    found = dict[str, tuple[Definition, str]]()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            begin = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            found[node.name] = node, "\n".join(text.splitlines()[begin - 1 : node.end_lineno])
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = (name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))
            found.update({name: (node, ast.get_source_segment(text, node) or "") for name in names})
    return found


def text_of(path: str, test: str) -> str:
    """Return the text of a test with the helpers, fixtures and constants of its file that it uses."""
    known, todo, texts = dict(definitions(path)), [test], list[str]()
    while todo:
        node, text = known.pop(todo.pop(), (None, ""))
        texts.append(text)
        for part in ast.walk(node) if node else ():
            if isinstance(part, ast.Name):
                todo.append(part.id)
            elif isinstance(part, ast.arg):
                todo.append(part.arg)
    return LINE_OF_TEXT.sub("", "\n".join(texts)).replace("\\", "")


ROWS = rows(PAGE.read_text())


def named(row: Row) -> str:
    """Return the row's first message."""
    return row.messages[0] if row.messages else ""


def test_the_page_has_rows_for_every_part() -> None:
    assert len(ROWS) > 50


def test_no_message_is_listed_twice() -> None:
    messages = [tuple(row.messages) for row in ROWS]
    assert sorted(messages) == sorted(set(messages))


@for_each(ROWS, named)
def test_a_row_is_complete(row: Row) -> None:
    assert row.messages, "quote the message"
    assert row.meaning
    assert row.action
    assert row.by_itself, "write a dash if the program does nothing"
    assert row.tests, "name a test: `tests/path.py::name`"


@for_each(ROWS, named)
def test_the_tests_of_a_row_exist(row: Row) -> None:
    missing = [
        f"{path}::{name}"
        for path, name in row.tests
        if not isinstance(definitions(path).get(name, (None,))[0], ast.FunctionDef)
    ]
    assert missing == []


@for_each(ROWS, named)
def test_a_message_is_in_the_code_or_in_the_test_that_provokes_it(row: Row) -> None:
    """Messages of other programs, e.g. nova, are in the test's file only."""
    texts = [source(), *((PROJECT / path).read_text() for path, _ in row.tests)]
    unknown = [part for message in row.messages for part in literals(message) if not any(part in t for t in texts)]
    assert unknown == [], "write … for everything that differs from case to case"


@for_each(ROWS, named)
def test_the_tests_of_a_row_look_at_its_message(row: Row) -> None:
    """Two adjacent words of the message are in each test, or in the helpers and constants that it uses."""
    words = [part.split() for message in row.messages for part in literals(message)]
    single = {part[0] for part in words if len(part) == 1}
    pairs = single | {f"{a} {b}" for part in words for a, b in pairwise(part)}
    blind = [name for path, name in row.tests if not any(pair in text_of(path, name) for pair in pairs)]
    assert blind == [], f"none of {sorted(pairs)} is in the test"


@for_each(raised(), lambda error: error.place)
def test_an_error_has_a_row(error: Raised) -> None:
    quoted = [part for row in ROWS for message in row.messages for part in literals(message) if len(part) > 9]
    assert [part for part in error.parts for text in quoted if part in text or text in part], "no row quotes it"


def test_the_errors_of_each_directory_are_found() -> None:
    assert {error.place.partition("/")[0] for error in raised()} == set(LISTED)


def test_operations_and_readme_link_to_the_page() -> None:
    assert "(failures.md)" in (PROJECT / "docs/operations.md").read_text()
    assert "(docs/failures.md)" in (PROJECT / "README.md").read_text()
