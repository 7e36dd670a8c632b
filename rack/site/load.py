"""Loads a site from the engine's configuration or from a stack file."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from rack import rules
from rack.site import SECRETS, Site, files, partial, problems, repair, stack_file
from rack.site.secrets import NODE_SECRETS, OPTIONS

MAX_LINES = 30
"""Number of problems that the text of ConfigError lists."""
ENCRYPTED = re.compile(r"v\d+:[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+|[A-Za-z0-9+/=]{24,}")
"""What Pulumi writes: nonce and text of a passphrase (sdk: config/crypt.go), or the Base64 of a service or KMS."""
REPAIR = "repair"
"""The option that names steps to run again."""
IN_PLAIN_TEXT = "found a secret in plain text; change it, and run"


class ConfigError(Exception):
    """The configuration cannot be deployed. The text lists every problem; no resource was changed."""

    problems: tuple[str, ...]
    """One line per problem: path, value found, what to write."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = tuple(dict.fromkeys(_printable(p) for p in problems))
        count = len(self.problems)
        head = f"{count} problem{'' if count == 1 else 's'} in rack:site; no resource was changed:"
        more = [f"  … and {count - MAX_LINES} more"] if count > MAX_LINES else []
        super().__init__("\n".join([head, *(f"  - {p}" for p in self.problems[:MAX_LINES]), *more]))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def parse(document: object) -> Site:
    """Return the site in `document` (the value of `rack:site`), checked against every design rule.

    Raises:
        ConfigError: lists all problems of the types, and all findings of the design rules that need no invalid value.
    """
    try:
        # Strict validation of Python objects would refuse a string as an address or a path; that of JSON accepts it and
        # still refuses "8443" or true as a number. YAML and the engine supply JSON's types only.
        site = Site.model_validate_json(to_json(document, fallback=str), strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        found = problems.lines(error.errors(), Site, "rack:site")
        rest = rules.check_partial(partial.build(Site, document)) if isinstance(document, dict) else []
        raise ConfigError((*found, *map(str, rest))) from None
    except (ValueError, RecursionError):  # Lone surrogates, values that contain themselves
        raise ConfigError(("rack:site: found a value that is not JSON; write plain text, numbers and lists",)) from None
    broken = rules.check(site)
    if broken:
        raise ConfigError(tuple(str(b) for b in broken))
    return site


def load(document: object, stack: str, folder: Path | None = None) -> Site:
    """Return the site in `document`, the value of `rack:site` that the engine has read from the stack's file.

    The file in `folder`, the current one by default, is checked as `load_stack_file` does, if it is there: the engine
    accepts text that is not what it looks like. The files that the site names must exist.

    Raises:
        ConfigError: lists all problems.
    """
    found, path = list[str](), (folder or Path()) / f"Pulumi.{stack}.yaml"
    try:
        if path.is_file():
            found += _beside(_config(path))
    except ConfigError as error:
        found += error.problems
    try:
        site = parse(document)
    except ConfigError as error:
        raise ConfigError((*found, *error.problems)) from None
    found += files.problems(site, path.parent)
    if found:
        raise ConfigError(tuple(found))
    return site


def repairs(value: object) -> Mapping[str, int]:
    """Return the counters in the value of `rack:repair`, by step; none if the stack does not have it.

    Raises:
        ConfigError: it is no mapping of steps to numbers.
    """
    if value is None:
        return {}
    found = tuple(repair.problems(value))
    if found:
        raise ConfigError(found)
    return repair.counters(value)


def load_stack_file(path: Path) -> Site:
    """Return the site of a `Pulumi.<stack>.yaml`, for programs without an engine: the lab, `python -m rack`, tests.

    Raises:
        ConfigError: the file is not YAML, has no `rack:site`, or `parse` refuses it.
        OSError: the file cannot be read.
    """
    config = _config(path)
    beside = tuple(_beside(config))
    try:
        site = parse(_written(config["rack:site"]))
    except ConfigError as error:
        raise ConfigError((*beside, *error.problems)) from None
    if beside:
        raise ConfigError(beside)
    return site


def _config(path: Path) -> Mapping[str, Any]:
    """Return the configuration in a stack's file.

    Raises:
        ConfigError: the file is not YAML, or has no `rack:site`.
        OSError: the file cannot be read.
    """
    try:
        document = stack_file.read(path.read_bytes())
    except stack_file.StackFileError as error:
        raise ConfigError((f"{path.name}: found text that is not YAML; correct the file: {error}",)) from None
    config = document.get("config") if isinstance(document, dict) else None
    config = _prefixed(config) if isinstance(config, dict) else {}
    if "rack:site" not in config:
        raise ConfigError((f"{path.name}: config: found no key rack:site; copy it from Pulumi.reference.yaml",))
    return config


def _prefixed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with the project's prefix, which Pulumi adds to a key without any.

    Raises:
        ConfigError: a key is there with and without the prefix; Pulumi takes one of them at random.
    """
    both = [key for key in config if ":" not in key and f"rack:{key}" in config]
    if both:
        raise ConfigError(
            tuple(f"{key}: found it beside rack:{key}, which is the same key; remove one" for key in both)
        )
    return {key if ":" in key else f"rack:{key}": value for key, value in config.items()}


def _written(site: Any) -> Any:
    """Return the value of `rack:site`; `pulumi config set site` writes it as a JSON text."""
    try:
        return json.loads(site) if isinstance(site, str) else site
    except (ValueError, RecursionError):
        return site


def _node_names(site: Any) -> tuple[str, ...]:
    nodes = site.get("nodes") if isinstance(site, dict) else None
    names = [node.get("name") for node in nodes if isinstance(node, dict)] if isinstance(nodes, list) else []
    return tuple(name for name in names if isinstance(name, str))


def _beside(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a problem per key of the project beside `rack:site` that is unknown, or a secret in plain text."""
    nodes = _node_names(_written(config["rack:site"]))
    for name, value in config.items():
        key = name.removeprefix("rack:")
        if key == REPAIR:
            yield from repair.problems(value)
        if key in (name, "site", *OPTIONS):
            continue
        if key not in SECRETS and not problems.HARMLESS.fullmatch(key):
            yield f"{problems.HIDDEN_KEY}: unknown key of the project; remove it"
        elif key not in SECRETS:
            yield f"{name}: {problems.unknown(key, ('site', *OPTIONS, *SECRETS))}"
        elif key in NODE_SECRETS:
            yield from _per_node(name, value, nodes)
        elif not _encrypted(value):
            yield f"{name}: {IN_PLAIN_TEXT} `pulumi config set --secret {key}`"


def _per_node(name: str, value: Any, nodes: Sequence[str]) -> Iterator[str]:
    """Yield a problem per secret of a node that is in plain text or of no node."""
    if _encrypted(value):  # A JSON text as a whole. The program compares its keys with the nodes.
        return
    command = f"pulumi config set --secret --path '{name.removeprefix('rack:')}"
    if not isinstance(value, dict):
        yield f"{name}: {IN_PLAIN_TEXT} `{command}.NODE'`"
        return
    for node, secret in value.items():
        if not problems.HARMLESS.fullmatch(node):
            yield f"{name}: {problems.HIDDEN_KEY}; write a node's name"
        elif not _encrypted(secret):
            yield f"{name}.{node}: {IN_PLAIN_TEXT} `{command}.{node}'`"
        elif node not in nodes:
            yield f"{name}.{node}: found no such node; {problems.instead(node, nodes)}"


def _encrypted(value: Any) -> bool:
    """Return whether Pulumi encrypted a value. Plain text under `secure` is not encrypted."""
    return isinstance(value, dict) and set(value) == {"secure"} and bool(ENCRYPTED.fullmatch(str(value["secure"])))
