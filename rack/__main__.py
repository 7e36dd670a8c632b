"""The documents without an engine: `python -m rack render` writes them, `python -m rack check` judges them."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from onhost.undercloud import templates as inspection
from rack.plan import Plan, UnknownPortError
from rack.site.load import ConfigError, load_stack_file
from rack.tripleo.bundle import bundle, documents, mode, placeholder, secrets
from rack.tripleo.check import check
from rack.tripleo.needs import needs
from rack.tripleo.readme import readme
from rack.wallaby.checks import Wallaby, review
from rack.wallaby.tools import FOLDER, ToolsError, install


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 all is well, 1 problems were found, 2 the command could not do its work."""
    given = _parser().parse_args(arguments)
    try:
        plan = Plan(load_stack_file(Path(f"Pulumi.{given.stack}.yaml")), given.stack)
        return render(plan, given.out) if given.command == "render" else judge(plan, given)
    except (ConfigError, UnknownPortError) as error:
        print(error, file=sys.stderr)
        return 1
    except (OSError, ToolsError) as error:
        print(f"rack {given.command}: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rack", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, says in (
        ("render", "write every document, the deploy command and a README into a folder; touches nothing else"),
        ("check", "judge the stack's file and its documents; exit 1 where something is wrong"),
    ):
        command = commands.add_parser(name, help=says, description=says, allow_abbrev=False)
        command.add_argument("--stack", required=True, help="STACK: reads Pulumi.STACK.yaml of this folder")
        if name == "render":
            command.add_argument("--out", type=Path, required=True, help="a folder that does not exist, or is empty")
        else:
            command.add_argument(
                "--dir", type=Path, help="a rendered folder, edited perhaps; else as `render` makes it"
            )
            command.add_argument(
                "--templates",
                type=Path,
                help="a copy of an undercloud's templates, looked at as `up` does (C1)",
            )
            command.add_argument("--deep", action="store_true", help="ask the real tools of Wallaby too, about 20 s")
    return parser


def render(plan: Plan, out: Path) -> int:
    """Writes the bundle. Never over files: they may hold secrets by now."""
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"found {out} with files in it; write another --out, or empty it")
    write(plan, out)
    print(f"{out}: {len(documents(plan)) + 1} files; README.md says what goes where")
    print(f"secrets to write: {', '.join(placeholder(secret) for secret in secrets(plan))}")
    return 0


def write(plan: Plan, out: Path) -> None:
    """The bundle and its README, with the modes that the files need."""
    texts = bundle(plan)
    for document in documents(plan):
        path = out / document.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=mode(document))
        path.write_text(texts[document.path])
        path.chmod(mode(document))
    (out / "README.md").write_text(readme(plan))


def judge(plan: Plan, given: argparse.Namespace) -> int:
    """Design rules (held, or the plan would not be), our own checks of the documents, templates, the real tools'."""
    folder: Path | None = given.dir
    scratch = Path(tempfile.mkdtemp(prefix="rack-check-"))
    try:
        if folder is None:
            write(plan, scratch)
        found = [str(problem) for problem in check(folder or scratch, documents(plan))]
        if given.templates:
            found += inspection.look(given.templates, needs(plan))
        if given.deep and all(((folder or scratch) / document.path).is_file() for document in documents(plan)):
            with Wallaby(install(FOLDER, _say)) as wallaby:
                found += map(str, review(wallaby, folder or scratch, plan, _say))
    finally:
        shutil.rmtree(scratch)
    for line in dict.fromkeys(found):
        print(f"  - {line}")
    asked = "design rules, documents" + (", templates" if given.templates else "")
    asked += ", Wallaby's tools" if given.deep else ""
    print(f"{plan.stack}: {len(found) or 'no'} problem{'' if len(found) == 1 else 's'} ({asked})")
    return 1 if found else 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
