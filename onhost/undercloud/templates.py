#!/usr/bin/python3 -I
"""Whether TripleO's templates and client on an undercloud are those that the documents were made for (C1).

Their versions tell little: MlnxSDNToken came to Wallaby's branch with no version of its own. So it is looked at what
they hold: the environment files and options of the deploy command, every parameter and service of the documents. All
faults are told at once, each with what to do; nothing is changed.

  rack-inspection < NEEDS               on an undercloud: templates and client; `rack/tripleo/needs.py` makes NEEDS
  rack-inspection FOLDER < NEEDS        the templates of a folder alone

Shipped as it is: the standard library only, and Python 3.6, which is CentOS Stream 8's own.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

REGISTRY = "overcloud-resource-registry-puppet.j2.yaml"
"""Where each service has its template."""
SECTION = re.compile(r"([a-z_]+):")
ENTRY = re.compile(r"  ([^\s:][^\s]*?):(?:\s+(\S+))?\s*(?:#.*)?$")
"""Of a section, with its value where that is one word. Service names hold colons, and no space follows those."""

Needs = Dict[str, Any]

UPDATE = "dnf update openstack-tripleo-heat-templates"
SINCE = {"MlnxSDNToken": "Wallaby's branch has it since 2021-12-12, the release 14.3.0 has not"}
"""Of what is known to come late."""


def entries(path: Path, section: str) -> Iterator[Tuple[str, str]]:
    """The keys of a top-level section, each with its value where it stands on the same line. Jinja's lines may stand
    between them, which is why this is no YAML yet."""
    inside = False
    for line in path.read_text(encoding="utf-8").splitlines():
        begun = SECTION.match(line)
        if begun:
            inside = begun.group(1) == section
        found = ENTRY.match(line) if inside else None
        if found:
            yield found.group(1), found.group(2) or ""


def there(path: Path) -> bool:
    """Whether a template is there, or the one that it is rendered from."""
    return path.exists() or path.with_suffix(".j2.yaml").exists()


def look(templates: Path, needs: Needs) -> List[str]:
    """What the templates lack, a line each."""
    if not (templates / REGISTRY).exists():
        return [f"{templates}: no templates of TripleO; dnf install openstack-tripleo-heat-templates"]
    return [*environments(templates, needs), *parameters(templates, needs), *services(templates, needs)]


def environments(templates: Path, needs: Needs) -> Iterator[str]:
    for name in needs["environments"]:
        path = templates / name
        if not path.exists():
            yield f"{name}: missing, and the deploy command names it (O5); {UPDATE}"
            continue
        for resource, target in entries(path, "resource_registry"):
            if target.endswith(".yaml") and not there(path.parent / target):
                yield f"{name}: {resource} is {target}, which is missing; {UPDATE}"


def parameters(templates: Path, needs: Needs) -> Iterator[str]:
    known: Set[str] = set()
    for path in templates.rglob("*.yaml"):
        known.update(name for name, _ in entries(path, "parameters"))
    for name, document in needs["parameters"].items():
        if name not in known:
            since = f" ({SINCE[name]})" if name in SINCE else ""
            yield f"{name}: no template declares it, {document} sets it{since}; {UPDATE}"


def services(templates: Path, needs: Needs) -> Iterator[str]:
    known = dict(entries(templates / REGISTRY, "resource_registry"))
    for name, document in needs["services"].items():
        target = known.get(name)
        if target is None:
            yield f"{name}: no service of these templates, {document} names it; {UPDATE}"
        elif target.endswith(".yaml") and not there(templates / target):
            yield f"{name}: its template {target} is missing; {UPDATE}"


def client(needs: Needs) -> Iterator[str]:
    """What the installed client's own help does not list."""
    said = help_of_deploy()
    if said is None:
        yield "openstack overcloud deploy: the client does not know it; dnf install python3-tripleoclient"
        return
    words = set(re.findall(r"(?<![\w-])--?[\w-]+", said))
    for option in needs["options"]:
        if option not in words:
            update = "it must be Wallaby's: dnf update python3-tripleoclient"
            yield f"openstack overcloud deploy {option}: no option of the installed client (O5); {update}"


def help_of_deploy() -> Optional[str]:
    """It needs no login."""
    try:
        done = subprocess.run(
            ["openstack", "overcloud", "deploy", "--help"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None
    return None if done.returncode else done.stdout.decode(errors="replace")


def main(words: List[str]) -> int:
    needs = json.load(sys.stdin)
    found = look(Path(words[0] if words else needs["templates"]), needs)
    if not words:
        found += client(needs)
    for fault in found:
        print(f"undercloud: {fault}", file=sys.stderr)
    if found:
        print(f"faults found: {len(found)}; nothing was installed", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
