"""Loads a site from the engine's configuration or from a stack file."""

from pathlib import Path

import yaml
from pydantic import ValidationError
from pydantic_core import to_json

from rack import rules
from rack.site import Site, problems


class ConfigError(Exception):
    """The configuration cannot be deployed. The text lists every problem; no resource was changed."""

    problems: tuple[str, ...]
    """One line per problem: path, value found, what to write."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        head = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(f"{head} in rack:site; no resource was changed:\n" + "\n".join(f"  - {p}" for p in problems))


def parse(document: object) -> Site:
    """Return the site in `document` (the value of `rack:site`), checked against every design rule.

    Raises:
        ConfigError: lists all problems of the types or, if there are none, all findings of the design rules.
    """
    try:
        # Strict validation of Python objects would refuse a string as an address or a path; that of JSON accepts it and
        # still refuses "8443" or true as a number. YAML and the engine supply JSON's types only.
        site = Site.model_validate_json(to_json(document, fallback=str), strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        raise ConfigError(problems.lines(error.errors(), Site, "rack:site")) from None
    broken = rules.check(site)
    if broken:
        raise ConfigError(tuple(str(b) for b in broken))
    return site


def load_stack_file(path: Path) -> Site:
    """Return the site of a `Pulumi.<stack>.yaml`, for programs without an engine: the lab, `python -m rack`, tests.

    Raises:
        ConfigError: the file is not YAML, has no `rack:site`, or `parse` refuses it.
        OSError: the file cannot be read.
    """
    try:
        document = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ConfigError((f"{path.name}: found text that is not YAML; correct the file: {error}",)) from None
    config = document.get("config") if isinstance(document, dict) else None
    if not isinstance(config, dict) or "rack:site" not in config:
        raise ConfigError((f"{path.name}: config: found no key rack:site; copy it from Pulumi.reference.yaml",))
    return parse(config["rack:site"])
