#!/usr/bin/python3 -I
"""Check that an undercloud's TripleO templates and client have what the documents need (C1).

  rack-inspection < REQUIREMENTS               on an undercloud: its templates and its client
  rack-inspection FOLDER < REQUIREMENTS        the templates of a folder only

Package versions are not enough: MlnxSDNToken was added to Wallaby's branch without a new version. So the content is
checked: the environment files and options of the deploy command, every parameter and every service of the documents.
All faults are listed at once, each with what to do; nothing is changed. REQUIREMENTS is JSON, see
`orders.TemplateRequirements`.
"""

import re
import sys
from pathlib import Path
from typing import Iterator, List, Optional, Set, Tuple

from onhost.undercloud.common import execute, say
from onhost.undercloud.orders import TemplateRequirements

REGISTRY = "overcloud-resource-registry-puppet.j2.yaml"
"""The file that names the template of each service."""
SECTION = re.compile(r"([a-z_]+):")
ENTRY = re.compile(r"  ([^\s:][^\s]*?):(?:\s+(\S+))?\s*(?:#.*)?$")
"""An entry of a section, with its value if that is one word. Service names contain colons that no space follows."""
UPDATE = "dnf update openstack-tripleo-heat-templates"
SINCE = {"MlnxSDNToken": "in Wallaby's branch since 2021-12-12, not in release 14.3.0"}
"""Parameters that were added to Wallaby's templates after their first release."""


def entries(path: Path, section: str) -> Iterator[Tuple[str, str]]:
    """Return the keys of a top-level section, each with its value if that is on the same line.

    The file is not parsed as YAML, because lines of Jinja may stand between the entries.
    """
    inside = False
    for line in path.read_text(encoding="utf-8").splitlines():
        begun = SECTION.match(line)
        if begun:
            inside = begun.group(1) == section
        found = ENTRY.match(line) if inside else None
        if found:
            yield found.group(1), found.group(2) or ""


def there(path: Path) -> bool:
    """Return whether a template exists, or the file that it is rendered from."""
    return path.exists() or path.with_suffix(".j2.yaml").exists()


def look(templates: Path, required: TemplateRequirements) -> List[str]:
    """Return what the templates lack, one line per fault."""
    if not (templates / REGISTRY).exists():
        return [f"{templates}: no templates of TripleO; dnf install openstack-tripleo-heat-templates"]
    return [*environments(templates, required), *parameters(templates, required), *services(templates, required)]


def environments(templates: Path, required: TemplateRequirements) -> Iterator[str]:
    """Return the missing environment files, and the missing templates that environment files name."""
    for name in required.environments:
        path = templates / name
        if not path.exists():
            yield f"{name}: missing, and the deploy command names it (O5); {UPDATE}"
            continue
        for resource, target in entries(path, "resource_registry"):
            if target.endswith(".yaml") and not there(path.parent / target):
                yield f"{name}: {resource} is {target}, which is missing; {UPDATE}"


def parameters(templates: Path, required: TemplateRequirements) -> Iterator[str]:
    """Return the parameters that no template declares."""
    declared: Set[str] = set()
    for path in templates.rglob("*.yaml"):
        declared.update(name for name, _ in entries(path, "parameters"))
    for name, document in required.parameters.items():
        if name not in declared:
            since = f" ({SINCE[name]})" if name in SINCE else ""
            yield f"{name}: no template declares it, {document} sets it{since}; {UPDATE}"


def services(templates: Path, required: TemplateRequirements) -> Iterator[str]:
    """Return the services that have no template."""
    registry = dict(entries(templates / REGISTRY, "resource_registry"))
    for name, document in required.services.items():
        target = registry.get(name)
        if target is None:
            yield f"{name}: no service of these templates, {document} names it; {UPDATE}"
        elif target.endswith(".yaml") and not there(templates / target):
            yield f"{name}: its template {target} is missing; {UPDATE}"


def client(required: TemplateRequirements) -> Iterator[str]:
    """Return the options that the installed client's help does not list."""
    text = help_of_deploy()
    if text is None:
        yield "openstack overcloud deploy: the client lacks the command; dnf install python3-tripleoclient"
        return
    words = set(re.findall(r"(?<![\w-])--?[\w-]+", text))
    for option in required.options:
        if option not in words:
            update = "it must be Wallaby's: dnf update python3-tripleoclient"
            yield f"openstack overcloud deploy {option}: no option of the installed client (O5); {update}"


def help_of_deploy() -> Optional[str]:
    """Return the help of the deploy command, which needs no login; None where the client or the command is missing."""
    try:
        done = execute(["openstack", "overcloud", "deploy", "--help"])
    except OSError:
        return None
    return None if done.returncode else done.stdout.decode(errors="replace")


def main(words: List[str]) -> int:
    """Check what the command line names, list the faults and return the exit status."""
    required = TemplateRequirements.decode(sys.stdin.read())
    found = look(Path(words[0] if words else required.templates), required)
    if not words:
        found += client(required)
    for fault in found:
        say(f"undercloud: {fault}")
    if found:
        say(f"faults found: {len(found)}; nothing was installed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
