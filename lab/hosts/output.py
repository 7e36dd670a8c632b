"""Argument parsing and output in the format of the real tools."""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any, NoReturn

from lab.hosts.call import Call
from lab.hosts.kinds.host import Host
from lab.hosts.outcomes import Refusal


class Parser(argparse.ArgumentParser):
    """argparse that writes to the caller's streams. It accepts no abbreviations; an error is usage and status 2."""

    def __init__(self, call: Call[Host], prog: str, **options: Any) -> None:
        options.setdefault("allow_abbrev", False)
        super().__init__(prog=prog, **options)
        self._call = call

    def parse(self) -> argparse.Namespace:
        """Parse the call's arguments; options and operands may come in any order, as with getopt and click.

        Raises:
            Refusal: the arguments are wrong; usage and status 2.
        """
        return self.parse_words(self._call.argv[1:])

    def parse_words(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse other words in the same way. The operands of a `REMAINDER` argument keep their order and options.

        Raises:
            Refusal: the words are wrong; usage and status 2.
        """
        if any(action.nargs == argparse.REMAINDER for action in self._actions):
            return self.parse_args(list(words))
        return self.parse_intermixed_args(list(words))

    def _print_message(self, message: str, file: IO[str] | None = None) -> None:  # type: ignore[override]
        if message:
            self._call.out(message, end="")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """End the command as argparse does, e.g. after --help.

        Raises:
            Refusal: always.
        """
        raise Refusal((message or "").rstrip("\n"), status)

    def error(self, message: str) -> NoReturn:
        """End the command because of wrong arguments.

        Raises:
            Refusal: always; usage and status 2.
        """
        raise Refusal(f"{self.format_usage()}{self.prog}: error: {message}", 2)


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as openstackclient prints it."""
    cells = [[str(c) for c in row] for row in rows]
    widths = [max(len(h), *(len(row[i]) for row in cells)) if cells else len(h) for i, h in enumerate(headers)]
    rule = "+" + "+".join("-" * (w + 2) for w in widths) + "+"

    def line(row: Sequence[str]) -> str:
        return "|" + "|".join(f" {c:<{w}} " for c, w in zip(row, widths, strict=True)) + "|"

    return "\n".join([rule, line(list(headers)), rule, *(line(row) for row in cells), rule])


def add_format(parser: argparse.ArgumentParser) -> None:
    """Add openstackclient's output options."""
    parser.add_argument("-f", "--format", choices=["table", "json", "value", "csv", "yaml"], default="table")
    parser.add_argument("-c", "--column", action="append", dest="columns", default=[])


def listing(
    call: Call[Host], options: argparse.Namespace, rows: Sequence[Mapping[str, object]], columns: Sequence[str]
) -> None:
    """Print rows in the format that the options name.

    Raises:
        Refusal: none of the chosen columns exists.
    """
    chosen = [c for c in columns if not options.columns or c in options.columns]
    if not chosen:
        raise Refusal(f"No recognized column names in {options.columns}. Recognized columns are {tuple(columns)}.")
    picked = [{c: row[c] for c in chosen} for row in rows]
    for line in _FORMATS[options.format](chosen, picked):
        call.out(line)


Rows = Sequence[Mapping[str, object]]


def _json(columns: Sequence[str], rows: Rows) -> list[str]:
    return [json.dumps(rows, indent=2)]


def _values(columns: Sequence[str], rows: Rows) -> list[str]:
    return [" ".join(str(v) for v in row.values()) for row in rows]


def _csv(columns: Sequence[str], rows: Rows) -> list[str]:
    return [",".join(f'"{v}"' for v in line) for line in (columns, *(row.values() for row in rows))]


def _yaml(columns: Sequence[str], rows: Rows) -> list[str]:
    return [f"{'- ' if i == 0 else '  '}{k}: {v}" for row in rows for i, (k, v) in enumerate(row.items())]


def _table(columns: Sequence[str], rows: Rows) -> list[str]:
    return [table(columns, [list(row.values()) for row in rows])]


_FORMATS = {"json": _json, "value": _values, "csv": _csv, "yaml": _yaml, "table": _table}


def showing(call: Call[Host], options: argparse.Namespace, item: Mapping[str, object]) -> None:
    """Print one object in the format that the options name."""
    chosen = {k: v for k, v in item.items() if not options.columns or k in options.columns}
    if options.format == "json":
        call.out(json.dumps(chosen, indent=2))
    elif options.format == "value":
        call.out("\n".join(str(v) for v in chosen.values()))
    else:
        call.out(table(["Field", "Value"], list(chosen.items())))
