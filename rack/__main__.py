"""`python -m rack render` writes a stack's documents, `python -m rack check` checks them, `python -m rack draw` draws.

`python -m rack doctor` looks at the real site, `python -m rack recover` puts the state in order after a crash,
`python -m rack forget` after the loss of a cloud, `python -m rack diff` shows a preview as a review, `python -m rack
drift` compares everything on the hosts, at UFM and in OpenStack with the last `up`, and `python -m rack new` writes a
stack file. Their code is in `doctor/`, `recovery/`, `review/`, `drift/` and `draft/`, since `rack/` knows neither the
network nor Pulumi.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from onhost.undercloud import templates as undercloud_templates
from onhost.undercloud.orders import TemplateRequirements
from rack.pictures import command as pictures
from rack.plan import Plan, UnknownPortError
from rack.site import Site, files
from rack.site.load import ConfigError, load_stack_file
from rack.tripleo.check import check
from rack.tripleo.documents import documents, placeholder, rendered, secrets
from rack.tripleo.readme import readme
from rack.tripleo.requirements import template_requirements
from rack.wallaby.checks import Workers, run_checks
from rack.wallaby.tools import FOLDER, ToolsError, install
from review.effects import EFFECTS

FORMATS = ("terminal", "markdown", "json")
"""Formats of `diff` and `drift`."""
SEVERITIES = ("drift", "broken")
"""Severities of `drift` that fail, the least first."""
KINDS = tuple(EFFECTS)
"""Kinds of interruptions that `diff` finds, the worst first."""
NO_CA = placeholder("ufmCaFile")
"""Stands for the certificate of UFM or of its authority where it is not known here."""


class Command(NamedTuple):
    """One command: what it does, its options besides --stack, and its function, which returns the exit status."""

    description: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0 success, 1 problems found, 2 the command itself failed."""
    given = _parser().parse_args(arguments)
    try:
        return COMMANDS[given.command].run(given)
    except (ConfigError, UnknownPortError) as error:
        print(error, file=sys.stderr)
        return 1
    except (OSError, ToolsError) as error:
        print(f"rack {given.command}: {error}", file=sys.stderr)
        return 2


def _ufm_ca(site: Site) -> str | None:
    ufm = site.ufm
    if ufm.ca_file is None:
        return NO_CA if ufm.certificate_from_host or ufm.fingerprint else None
    if not ufm.ca_file.expanduser().exists():
        return NO_CA  # Such as on a build server. `check --files` and `pulumi up` report the file.
    problem = files.problem_of("ufm.caFile", ufm.ca_file, Path())
    if problem:
        raise ConfigError((problem,))
    return ufm.ca_file.expanduser().read_text()


def _plan(given: argparse.Namespace) -> Plan:
    site = load_stack_file(Path(f"Pulumi.{given.stack}.yaml"))
    return Plan(site, given.stack, _ufm_ca(site))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rack", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (description, add_options, _) in COMMANDS.items():
        command = commands.add_parser(name, help=description, description=description, allow_abbrev=False)
        command.add_argument("--stack", required=True, help="STACK: Pulumi.STACK.yaml in this folder")
        add_options(command)
    return parser


def _add_render(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", type=Path, required=True, help="a folder that does not exist or is empty")


def _add_check(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--dir", type=Path, help="a rendered folder, possibly edited; default: what `render` would write"
    )
    command.add_argument(
        "--templates", type=Path, help="a copy of the undercloud's templates, to check as `up` does (C1)"
    )
    command.add_argument("--files", action="store_true", help="also check, as `up` does, that local files exist")
    command.add_argument("--deep", action="store_true", help="also run the real Wallaby tools, about 20 s")


def _add_draw(command: argparse.ArgumentParser) -> None:
    command.add_argument("kind", choices=pictures.KINDS)
    command.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="the SVG file to write")
    command.add_argument("--state", metavar="FILE", help="for components: the output of `pulumi stack export`")
    command.add_argument("--measurements", metavar="FILE", help="for bandwidth: a table with from,to,gbps")
    command.add_argument(
        "--height", action="append", default=[], metavar="KIND=UNITS", help="for elevation: such as ComputeSriovIB=2"
    )


def _add_doctor(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print a list of findings as JSON")


def _add_forget(command: argparse.ArgumentParser) -> None:
    command.add_argument("--yes", action="store_true", help="do not ask before writing")


def _add_recover(command: argparse.ArgumentParser) -> None:
    command.add_argument("--yes", action="store_true", help="do not ask before writing")
    command.add_argument("--hint", action="store_true", help="only say whether an `up` was interrupted")
    command.add_argument("--discard", action="store_true", help="delete the objects instead of importing them")


def _add_diff(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--preview", metavar="FILE", help="the output of `pulumi preview --json`, - for standard input; default: run it"
    )
    command.add_argument("--refresh", action="store_true", help="run `pulumi refresh --preview-only`: show drift")
    command.add_argument(
        "--base", type=Path, metavar="FILE", help="the stack file before, to compare documents that contain a secret"
    )
    command.add_argument("--format", choices=FORMATS, default=FORMATS[0])
    command.add_argument("--save", type=Path, metavar="FILE", help="also write the report as JSON to a file")
    command.add_argument(
        "--fail-on", metavar="KINDS", default="", help=f"kinds of interruptions, with commas, of: {', '.join(KINDS)}"
    )


def _add_new(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--answers", type=Path, metavar="FILE", help="YAML with keys of rack:site; the rest is default"
    )
    command.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE", help="one answer, such as networks.external.vlan=10"
    )
    command.add_argument(
        "--nodes", type=Path, metavar="FILE", help="nodes: a table with a heading (CSV), or TripleO's instackenv.json"
    )
    command.add_argument("--from-ufm", action="store_true", help="read port GUIDs and switch from the running UFM")
    command.add_argument("--ufm-fingerprint", metavar="SHA256", help="of UFM's certificate, for --from-ufm")
    command.add_argument("--existing-ufm", action="store_true", help="UFM is there and not to be installed")
    command.add_argument("--no-workload", action="store_true", help="leave out images, instances and bandwidth test")
    command.add_argument("--ask", action="store_true", help="ask for what --answers and --set leave open")


def new(given: argparse.Namespace) -> int:
    """Write a new stack file and return 0, or 1 if the answers do not allow it."""
    from draft import command
    from draft.options import NewError, Options

    asked = command.terminal() and (given.ask or not (given.answers or given.set))
    options = Options(
        given.stack,
        given.answers,
        given.set,
        given.nodes,
        given.from_ufm,
        given.ufm_fingerprint,
        existing_ufm=given.existing_ufm,
        workload=not given.no_workload,
        interactive=asked,
    )
    try:
        return command.run(options)
    except NewError as error:
        print(f"rack new: {error}", file=sys.stderr)
        return 1


def _add_status(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print it as JSON")
    command.add_argument("--config-file", type=Path, metavar="FILE", help="default: Pulumi.STACK.yaml")


def _add_drift(command: argparse.ArgumentParser) -> None:
    command.add_argument("--format", choices=FORMATS, default=FORMATS[0])
    command.add_argument(
        "--fail-on", choices=SEVERITIES, default=SEVERITIES[0], help="the least severity with exit status 1"
    )
    command.add_argument(
        "--repair", action="store_true", help="write into the stack's file what the next `pulumi up` runs again"
    )
    command.add_argument("--hosts-only", action="store_true", help="do not run `pulumi refresh --preview-only`")
    command.add_argument("--config-file", type=Path, metavar="FILE", help="default: Pulumi.STACK.yaml")


def drift(given: argparse.Namespace) -> int:
    """Report what is not as the last `up` left it, and return 1 if there is something, else 0 or 3."""
    from drift import command  # Not at the top, like doctor.
    from drift.finding import Severity
    from drift.repair import RepairError
    from drift.state import StateError

    severity = Severity(given.fail_on)
    options = command.Options(given.stack, given.format, severity, given.repair, given.hosts_only, given.config_file)
    try:
        return command.run(options)
    except (StateError, RepairError) as error:
        print(f"rack drift: {error}", file=sys.stderr)
        return 2


def status(given: argparse.Namespace) -> int:
    """Show the overview and return 0."""
    from drift.state import StateError
    from status import command

    try:
        return command.run(given.stack, as_json=given.json, config_file=given.config_file)
    except StateError as error:
        print(f"rack status: {error}", file=sys.stderr)
        return 2


def diff(given: argparse.Namespace) -> int:
    """Show a preview as a review and return 1 if it has an interruption that --fail-on names, else 0."""
    from review import command  # Not at the top, like doctor.
    from review.preview import PreviewError

    kinds = [kind for kind in given.fail_on.split(",") if kind]
    wrong = [kind for kind in kinds if kind not in KINDS]
    if wrong:
        print(f"rack diff: --fail-on: found {', '.join(wrong)}; write some of {', '.join(KINDS)}", file=sys.stderr)
        return 2
    options = command.Options(
        given.stack, given.preview, given.refresh, given.base, given.format, given.save, frozenset(kinds)
    )
    try:
        return command.run(options)
    except PreviewError as error:
        print(f"rack diff: {error}", file=sys.stderr)
        return 2


def doctor(given: argparse.Namespace) -> int:
    """Look at the site and return 1 if `up` would fail, else 0."""
    from doctor import command  # Not at the top: render and check need no network, and start faster.

    return command.run(given.stack, as_json=given.json)


def recover(given: argparse.Namespace) -> int:
    """Put the state of the stack in order and return 0, or 1 if something is left to do."""
    from recovery import command

    if given.hint:
        return command.hint(given.stack)
    return command.run(given.stack, yes=given.yes, discard=given.discard)


def forget(given: argparse.Namespace) -> int:
    """Drop the stack's cloud from its state and return 0, or 1 if that was refused."""
    from recovery import forget as command

    return command.run(given.stack, yes=given.yes)


def render(plan: Plan, out: Path) -> int:
    """Write the documents and their README, and return 0.

    Raises:
        FileExistsError: the folder contains files. They may contain secrets, so they are never overwritten.
    """
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"found {out} with files in it; write another --out, or empty it")
    write_home(plan, out)
    print(f"{out}: {len(documents(plan)) + 1} files; README.md lists where each file goes")
    print(f"secrets to write: {', '.join(placeholder(secret) for secret in secrets(plan))}")
    if plan.ufm_ca == NO_CA:
        file = plan.site.ufm.ca_file
        where = f"{file} (ufm.caFile) is not there" if file else "UFM's own, which `pulumi up` reads from UFM"
        print(f"certificate to write: {NO_CA}; {where}")
    return 0


def write_home(plan: Plan, folder: Path) -> Path:
    """Write the documents, with their modes, and README.md to a folder, and return it.

    The folder is laid out like the home directory of the user stack on the undercloud.
    """
    texts = rendered(plan)
    for document in documents(plan):
        path = folder / document.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=document.mode)
        path.write_text(texts[document.path])
        path.chmod(document.mode)
    (folder / "README.md").write_text(readme(plan))
    return folder


def draw(plan: Plan, given: argparse.Namespace) -> int:
    """Write a picture and return 0, or 1 if its source is missing or wrong."""
    try:
        picture = pictures.draw(given.kind, plan, given.state or given.measurements, given.height)
    except pictures.DrawError as error:
        print(f"rack draw: {error}", file=sys.stderr)
        return 1
    given.out.write_text(picture.svg())
    print(f"{given.out}: {given.kind} of {plan.stack}")
    return 0


def check_stack(plan: Plan, given: argparse.Namespace) -> int:
    """Print the problems of the documents and return 1 if there are any, else 0.

    Design rules are not checked here: `load_stack_file` has raised ConfigError if one is broken.
    """
    scratch = Path(tempfile.mkdtemp(prefix="rack-check-"))
    try:
        found = list(dict.fromkeys(_problems(plan, given.dir or write_home(plan, scratch), given)))
    finally:
        shutil.rmtree(scratch)
    for line in found:
        print(f"  - {line}")
    if plan.ufm_ca == NO_CA and plan.site.ufm.ca_file and not given.files:
        print(f"not checked: {plan.site.ufm.ca_file} (ufm.caFile) is not there; --files reports missing files")
    checked = "design rules, documents" + (", local files" if given.files else "")
    checked += ", templates" if given.templates else ""
    checked += ", Wallaby's tools" if given.deep else ""
    print(f"{plan.stack}: {len(found) or 'no'} problem{'' if len(found) == 1 else 's'} ({checked})")
    return 1 if found else 0


def _problems(plan: Plan, home: Path, given: argparse.Namespace) -> list[str]:
    found = list(files.problems(plan.site, Path())) if given.files else []
    found += [str(problem) for problem in check(home, documents(plan))]
    if given.templates:
        found += undercloud_templates.look(given.templates, TemplateRequirements(**template_requirements(plan)))
    if given.deep and all((home / document.path).is_file() for document in documents(plan)):
        with Workers(install(FOLDER, _log)) as workers:
            found += map(str, run_checks(workers, home, plan, _log))
    return found


def _log(text: str) -> None:
    print(text, file=sys.stderr)


COMMANDS: Mapping[str, Command] = {
    "render": Command(
        "write every document, the deploy command and a README to a folder; change nothing else",
        _add_render,
        lambda given: render(_plan(given), given.out),
    ),
    "check": Command(
        "check the stack file and its documents; exit 1 if there are problems",
        _add_check,
        lambda given: check_stack(_plan(given), given),
    ),
    "draw": Command(
        "write a picture as SVG: fabric, networks, elevation, components or bandwidth",
        _add_draw,
        lambda given: draw(_plan(given), given),
    ),
    "doctor": Command(
        "look at the real site, about a minute, and change nothing; exit 1 if `up` would fail", _add_doctor, doctor
    ),
    "recover": Command(
        "find objects that a killed `up` created and did not record, and import them into the state",
        _add_recover,
        recover,
    ),
    "diff": Command(
        "show what `up` would change: interruptions first; exit 1 if --fail-on names one of them", _add_diff, diff
    ),
    "drift": Command(
        "compare hosts, UFM and OpenStack with the last `up`; exit 1 for drift, 3 if a part was not seen",
        _add_drift,
        drift,
    ),
    "status": Command(
        "show hosts, PKeys, computes with instances and free GPUs, checks, bandwidth and drift", _add_status, status
    ),
    "new": Command(
        "ask what a stack file needs, and write it; with --answers, --set or no terminal, without questions",
        _add_new,
        new,
    ),
    "forget": Command(
        "drop the resources of a cloud that no longer exists from the state, and its PKeys from UFM",
        _add_forget,
        forget,
    ),
}
"""In the order of the help text."""


if __name__ == "__main__":
    sys.exit(main())
