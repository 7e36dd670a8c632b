"""One call of an emulated command, and the tools the commands share."""

import argparse
import json
import os
import select
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from lab.hosts.machine import Machine
    from lab.hosts.rack import Rack


class Refusal(Exception):  # noqa: N818 - an answer, no fault of ours
    """The command ends: what it says on standard error, and its status."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.text, self.status = text, status


class Become(Exception):  # noqa: N818
    """The command's process becomes another program of the host."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        super().__init__(argv[0])
        self.argv, self.env = list(argv), dict(env or {})


class Hangup(Exception):  # noqa: N818
    """Whoever called has gone: the command's process was killed, or its output closed."""


@dataclass
class Call:
    """A command as its process sees the world; it acts on the host through this alone."""

    rack: "Rack"
    host: "Machine"
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    uid: int
    streams: Sequence[int]
    """Descriptors of the caller's standard input, output and error."""
    peer: socket.socket | None = None
    """Readable when the caller's process has ended."""
    afterwards: list[Callable[[], None]] = field(default_factory=list)
    """Run once the caller has its status, e.g. a reboot."""

    def out(self, text: str = "", end: str = "\n") -> None:
        self._write(1, text + end)

    def err(self, text: str, end: str = "\n") -> None:
        self._write(2, text + end)

    def _write(self, stream: int, text: str) -> None:
        data = text.encode()
        try:
            while data:
                data = data[os.write(self.streams[stream], data) :]
        except OSError as error:
            raise Hangup(str(error)) from error

    def read(self) -> str:
        """All of standard input."""
        with os.fdopen(os.dup(self.streams[0]), "rb") as stream:
            return stream.read().decode(errors="replace")

    def path(self, name: str) -> Path:
        """Where a path of the host lies on the machine."""
        return self.host.root.resolve(name, self.cwd)

    def text(self, name: str) -> str:
        """The content of a host's file.

        Raises:
            Refusal: there is none, in the words of a Python tool.
        """
        try:
            return self.path(name).read_text()
        except OSError as error:
            raise Refusal(f"[Errno {error.errno}] {error.strerror}: '{name}'") from None

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        """Writes a host's file as the caller's user."""
        file = self.path(name)
        for folder in [p for p in file.parents if not p.exists()][::-1]:
            folder.mkdir()
            os.chown(folder, self.uid, self.uid)
        file.touch(mode=mode)
        file.chmod(mode)
        file.write_text(text)
        os.chown(file, self.uid, self.uid)

    def alive(self, seconds: float = 0) -> bool:
        """Waits so long, at most until the caller has ended; False if it has."""
        if self.peer is None:
            time.sleep(seconds)
            return True
        return not select.select([self.peer], [], [], seconds)[0]

    def pause(self, share: float = 1.0) -> None:
        """The time a step of hours takes here.

        Raises:
            Hangup: the caller was killed meanwhile.
        """
        if not self.alive(share * self.rack.pace):
            raise Hangup("killed")

    def progress(self, *lines: str) -> None:
        """Prints the lines of a long job in its time."""
        for line in lines:
            self.out(line)
            self.pause(1 / len(lines))

    def as_root(self) -> None:
        if self.uid != 0:
            raise Refusal(f"{self.argv[0]}: this command must be run as root: permission denied")


class Parser(argparse.ArgumentParser):
    """argparse without abbreviations, which answers into the caller's streams: usage and status 2 as the real tools."""

    def __init__(self, call: Call, prog: str, **options: Any) -> None:
        options.setdefault("allow_abbrev", False)
        super().__init__(prog=prog, **options)
        self._call = call

    def parse(self) -> argparse.Namespace:
        """The call's arguments, options and operands in any order, as getopt and click take them.

        Raises:
            Refusal: usage and status 2.
        """
        return self.parse_words(self._call.argv[1:])

    def parse_words(self, words: Sequence[str]) -> argparse.Namespace:
        """The same for other words; those after a command that is run in turn stay together."""
        if any(action.nargs == argparse.REMAINDER for action in self._actions):
            return self.parse_args(list(words))
        return self.parse_intermixed_args(list(words))

    def _print_message(self, message: str, file: IO[str] | None = None) -> None:  # type: ignore[override]
        if message:
            self._call.out(message, end="")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise Refusal((message or "").rstrip("\n"), status)

    def error(self, message: str) -> NoReturn:
        raise Refusal(f"{self.format_usage()}{self.prog}: error: {message}", 2)


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as openstackclient prints it."""
    cells = [[str(c) for c in row] for row in rows]
    widths = [max(len(h), *(len(row[i]) for row in cells)) if cells else len(h) for i, h in enumerate(headers)]
    rule = "+" + "+".join("-" * (w + 2) for w in widths) + "+"

    def line(row: Sequence[str]) -> str:
        return "|" + "|".join(f" {c:<{w}} " for c, w in zip(row, widths, strict=True)) + "|"

    return "\n".join([rule, line(list(headers)), rule, *(line(row) for row in cells), rule])


def add_format(parser: argparse.ArgumentParser) -> None:
    """openstackclient's output options."""
    parser.add_argument("-f", "--format", choices=["table", "json", "value", "csv", "yaml"], default="table")
    parser.add_argument("-c", "--column", action="append", dest="columns", default=[])


def listing(call: Call, options: argparse.Namespace, rows: Sequence[Mapping[str, object]], all_: Sequence[str]) -> None:
    """Prints rows in the wanted form.

    Raises:
        Refusal: an unknown column.
    """
    chosen = [c for c in all_ if not options.columns or c in options.columns]
    if not chosen:
        raise Refusal(f"No recognized column names in {options.columns}. Recognized columns are {tuple(all_)}.")
    picked = [{c: row[c] for c in chosen} for row in rows]
    if options.format == "json":
        call.out(json.dumps(picked, indent=2))
    elif options.format == "value":
        for row in picked:
            call.out(" ".join(str(v) for v in row.values()))
    elif options.format == "csv":
        call.out(",".join(f'"{c}"' for c in chosen))
        for row in picked:
            call.out(",".join(f'"{v}"' for v in row.values()))
    elif options.format == "yaml":
        for row in picked:
            call.out("\n".join(f"{'- ' if i == 0 else '  '}{k}: {v}" for i, (k, v) in enumerate(row.items())))
    else:
        call.out(table(chosen, [list(row.values()) for row in picked]))


def showing(call: Call, options: argparse.Namespace, item: Mapping[str, object]) -> None:
    """Prints one object in the wanted form."""
    chosen = {k: v for k, v in item.items() if not options.columns or k in options.columns}
    if options.format == "json":
        call.out(json.dumps(chosen, indent=2))
    elif options.format == "value":
        call.out("\n".join(str(v) for v in chosen.values()))
    else:
        call.out(table(["Field", "Value"], list(chosen.items())))


Handler = Callable[[Call], int | None]
"""An emulated command: prints, acts, returns its status (None: 0)."""

COMMANDS: dict[tuple[str, str], Handler] = {}
"""(kind of host, name) → handler; filled by the modules of `lab.hosts.commands`."""


def command(name: str, *kinds: str) -> Callable[[Handler], Handler]:
    """Registers a handler for hosts of these kinds."""

    def register(handler: Handler) -> Handler:
        for kind in kinds:
            COMMANDS[kind, name] = handler
        return handler

    return register


def names(kind: str) -> list[str]:
    return sorted(name for k, name in COMMANDS if k == kind)
