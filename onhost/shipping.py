"""Turn the modules of a program into one text, as it is shipped to a host.

The text is the program's modules one after the other, each behind the modules that it imports, without the imports of
`onhost` modules. It is source code rather than a zip archive, so that `pulumi preview` shows a change of a program as a
diff of lines, an operator can read the file on the host, and it travels by standard input like every other file.

Modules of one program share one namespace there. So they import from each other by name (`from onhost… import name`,
without `as`), and no two of them define the same name; a test checks both.
"""

import ast
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from textwrap import wrap
from typing import Dict, Iterator, List, Tuple

PACKAGE = "onhost."
WIDTH = 110
"""Of a line of the note that names the modules."""


@lru_cache(maxsize=None)
def program(name: str) -> str:
    """Return the text of a program, such as `undercloud.nodes`, that runs alone on a host."""
    main = PACKAGE + name
    sources = modules(main)
    *parts, _ = sources
    head, body = _split(sources[main])
    note = f"# One file of several modules, made by {__name__}: {', '.join(map(_short, sources))}."
    note = "\n# ".join(wrap(note, WIDTH)) + "\n"
    sections = [f"\n\n# -- {_short(part)}\n\n{_without_imports(sources[part]).strip()}\n" for part in parts]
    return "".join([head, "\n", note, *sections, f"\n\n# -- {_short(main)}\n\n", body.strip(), "\n"])


def modules(main: str) -> Dict[str, str]:
    """Return the sources of a module and of all `onhost` modules that it imports; importers come after imported."""
    found: Dict[str, str] = {}

    def add(module: str) -> None:
        source = _source(module)
        for imported in imports(source):
            if imported not in found:
                add(imported)
        found[module] = source

    add(main)
    return found


def imports(source: str) -> List[str]:
    """Return the `onhost` modules that a source imports."""
    return [str(node.module) for node in _imports(source)]


def _short(module: str) -> str:
    return module.rpartition(".")[2]


def _source(module: str) -> str:
    return Path(str(import_module(module).__file__)).read_text()


def _imports(source: str) -> Iterator[ast.ImportFrom]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(PACKAGE):
            yield node


def _without_imports(source: str) -> str:
    """Return a source without its imports of `onhost` modules."""
    lines = source.splitlines(keepends=True)
    for node in _imports(source):
        lines[node.lineno - 1 : node.end_lineno] = [""] * (int(node.end_lineno or node.lineno) - node.lineno + 1)
    return "".join(lines)


def _split(source: str) -> Tuple[str, str]:
    """Return a source's head, up to the end of its docstring, and the rest without imports of `onhost` modules."""
    lines = _without_imports(source).splitlines(keepends=True)
    end = int(ast.parse(source).body[0].end_lineno or 0)
    return "".join(lines[:end]), "".join(lines[end:])


def shell_program(folder: str) -> str:
    """Return the text of the shell program of `onhost`/folder: its head, its functions, and the step that is called.

    `program.sh` is the head, `common.sh` the functions that steps share; every other script is the step of its name.
    Only the step that is called is run, so the functions of another step do not exist for it.
    """
    scripts = {path.stem: path.read_text() for path in sorted((Path(__file__).parent / folder).glob("*.sh"))}
    head, common = scripts.pop("program"), scripts.pop("common")
    steps = [f"{name})\n{text};;\n\n" for name, text in scripts.items()]
    unknown = '*)\n  fail "there is no step $step"\n  ;;\n'
    return "".join(
        [head, "\n# -- common\n\n", common, "\n# -- steps\n\n", 'case "$step" in\n', *steps, unknown, "esac\n"]
    )
