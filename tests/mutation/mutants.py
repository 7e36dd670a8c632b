"""Mutants of a source file: cosmic-ray's operators, one per place, in an order that edits elsewhere do not change."""

import ast
import difflib
import hashlib
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator, operator_names

SEED = "rack"
"""Decides which mutants are taken, and which change each place gets. Another seed has other survivors."""

Span = tuple[tuple[int, int], tuple[int, int]]
"""Begin and end of a piece of source: line (from 1) and column (from 0)."""


class Candidate(NamedTuple):
    """A place of a file and the operator that is to change it."""

    order: str
    """A digest that orders the candidates of all files. It depends on the line's text, not on its number."""
    file: str
    line: int
    operator: str
    occurrence: int


@dataclass(frozen=True)
class Mutant:
    """One change of one file."""

    file: str
    line: int
    """The first line that it changes, from 1."""
    before: str
    after: str
    """The changed lines without their indentation; empty where the mutant removes them."""
    source: str = field(repr=False)
    """The whole file with the change."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells mutants apart in the list of survivors."""
        return self.file, self.before, self.after


@cache
def _operators() -> Mapping[str, Operator]:
    """Return the operators that take no arguments, by name."""
    classes = {name: get_operator(name) for name in sorted(operator_names())}
    return {name: kind() for name, kind in classes.items() if not kind.arguments()}


def candidates(file: str, text: str, seed: str = SEED) -> Iterator[Candidate]:
    """Yield one candidate per place of the file that an operator can change. Annotations are left alone: no test can
    notice them.
    """
    places: dict[Span, list[tuple[str, int]]] = defaultdict(list)
    nodes = list(ast_nodes(get_ast(text)))
    for name, operator in _operators().items():
        spans = [span for node in nodes for span in operator.mutation_positions(node)]
        for occurrence, span in enumerate(spans):
            places[span].append((name, occurrence))
    lines = text.splitlines()
    earlier = _repetitions(lines)
    skipped = _annotations(text)
    for span, choices in places.items():
        if any(begin <= span[0] and span[1] <= end for begin, end in skipped):
            continue
        line, column = span[0]
        content = lines[line - 1]
        place = f"{seed}:{file}:{content.strip()}:{earlier[line - 1]}:{column - len(content) + len(content.lstrip())}"
        _, operator_name, occurrence = min(
            (_digest(f"{place}:{name}:{number}"), name, occurrence)
            for number, (name, occurrence) in enumerate(choices)  # not the occurrence, which counts other lines too
        )
        yield Candidate(_digest(place), file, line, operator_name, occurrence)


def mutant_of(candidate: Candidate, text: str) -> Mutant | None:
    """Return the candidate's mutant; None where the operator fails or the result is no Python."""
    try:
        changed = mutate_code(text, _operators()[candidate.operator], candidate.occurrence)
    except AttributeError:  # cosmic-ray's ExceptionReplacer on a dotted name within a tuple
        return None
    if changed is None or changed == text or not _compiles(changed):
        return None
    return Mutant(candidate.file, candidate.line, *_difference(text, changed), changed)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _repetitions(lines: list[str]) -> list[int]:
    """Return for each line how many earlier ones have the same text."""
    seen: Counter[str] = Counter()
    found = []
    for line in lines:
        found.append(seen[line.strip()])
        seen[line.strip()] += 1
    return found


def _annotations(text: str) -> list[Span]:
    """Return where the file has annotations, and aliases of types that only annotations use."""
    found: list[ast.expr] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation:
            found.append(node.annotation)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns:
            found.append(node.returns)
    return [((e.lineno, e.col_offset), (e.end_lineno or e.lineno, e.end_col_offset or 0)) for e in found]


def _difference(text: str, changed: str) -> tuple[str, str]:
    """Return the lines that differ, as they were and as they are."""
    old, new = text.splitlines(), changed.splitlines()
    codes = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    edits = [(old[i1:i2], new[j1:j2]) for tag, i1, i2, j1, j2 in codes if tag != "equal"]
    before = [line.strip() for removed, _ in edits for line in removed]
    after = [line.strip() for _, added in edits for line in added]
    return "\n".join(filter(None, before)), "\n".join(filter(None, after))


def _compiles(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # "is not" with a literal
            compile(text, "mutant", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


def sample(root: Path, folders: tuple[str, ...], without: tuple[str, ...], seed: str = SEED) -> Iterator[Mutant]:
    """Yield the mutants of the folders' Python files, in the order that the seed gives."""
    files = sorted(file.relative_to(root).as_posix() for folder in folders for file in (root / folder).rglob("*.py"))
    texts = {file: (root / file).read_text() for file in files if not file.startswith(without)}
    for candidate in sorted(candidate for file, text in texts.items() for candidate in candidates(file, text, seed)):
        mutant = mutant_of(candidate, texts[candidate.file])
        if mutant:
            yield mutant
