"""Reads a site: from the engine's configuration or from a stack's file."""

from pathlib import Path

import yaml
from pydantic import ValidationError
from pydantic_core import to_json

from rack import rules
from rack.site import Site, problems


class ConfigError(Exception):
    """The configuration cannot be deployed; the text lists every problem, nothing has been touched."""

    problems: tuple[str, ...]
    """One line each: path, what was found, what to write."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        head = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(f"{head} in rack:site; nothing was touched:\n" + "\n".join(f"  - {p}" for p in problems))


def parse(document: object) -> Site:
    """The site in `document` (the value of `rack:site`), checked against every design rule.

    Raises:
        ConfigError: with every problem found. Design rules are checked once the types hold.
    """
    try:
        # By way of JSON, strictly: YAML and the engine hand over JSON's types, and pydantic's strict mode then takes
        # the texts of addresses and paths, but no "8443" or true for a number.
        site = Site.model_validate_json(to_json(document, fallback=str), strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        raise ConfigError(problems.lines(error.errors(), Site, "rack:site")) from None
    broken = rules.check(site)
    if broken:
        raise ConfigError(tuple(str(b) for b in broken))
    return site


def load_stack_file(path: Path) -> Site:
    """The site of a `Pulumi.<stack>.yaml`, for readers without an engine (the lab, the tests).

    Raises:
        ConfigError: the file is no YAML, has no `rack:site`, or that is broken.
        OSError: the file cannot be read.
    """
    try:
        document = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ConfigError((f"{path.name}: found no YAML: {error}",)) from None
    config = document.get("config") if isinstance(document, dict) else None
    if not isinstance(config, dict) or "rack:site" not in config:
        raise ConfigError((f"{path.name}: config: found no key rack:site; copy it from Pulumi.reference.yaml",))
    return parse(config["rack:site"])
