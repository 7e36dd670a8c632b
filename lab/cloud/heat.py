"""Merges environment files as tripleoclient and Heat do, and reads parameters with Heat's types.

Maps merge deeply, everything else is replaced, and the later file wins (python-heatclient's `environment_format.py`).
`<Role>Parameters` override the global parameters that TripleO marks as role-specific. Compared with the released
python-heatclient and python-tripleoclient of Wallaby.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.process import LabError

TRUE = frozenset(("1", "t", "true", "on", "y", "yes"))
FALSE = frozenset(("0", "f", "false", "off", "n", "no"))

_SECTIONS = frozenset(("parameter_defaults", "parameters", "resource_registry", "parameter_merge_strategies"))
_REQUIRED = object()


def load(file: Path) -> Any:
    """Return the YAML document of a file.

    Raises:
        LabError: the file does not exist, or is not YAML.
    """
    try:
        return yaml.safe_load(file.read_text())
    except OSError as error:
        raise LabError(f"The following file was not found: {file} ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise LabError(f"Error parsing {file}: {error}") from error


def deep_update(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return `old` overlaid with `new`: maps merge, the rest is replaced; an empty value does not replace a map."""
    merged = dict(old)
    for key, value in new.items():
        before = merged.get(key)
        if isinstance(value, Mapping):
            merged[key] = deep_update(before if isinstance(before, Mapping) else {}, value)
        elif not (value is None and isinstance(before, Mapping)):
            merged[key] = value
    return merged


@dataclass(frozen=True)
class Environment:
    """The merged environment files."""

    parameters: Mapping[str, Any]
    registry: Mapping[str, Any]

    def role(self, name: str) -> "Parameters":
        """Return the parameters as a service of this role sees them."""
        own = self.parameters.get(f"{name}Parameters") or {}
        if not isinstance(own, Mapping):
            raise LabError(f"Parameter '{name}Parameters' is invalid: Value must be valid JSON, a map")
        return Parameters({**self.parameters, **own})

    def hieradata(self, name: str) -> dict[str, Any]:
        """Return Puppet's data for the hosts of a role: ExtraConfig, overridden by <Role>ExtraConfig."""
        parameters = Parameters(self.parameters)
        return {**parameters.map("ExtraConfig"), **parameters.map(f"{name}ExtraConfig")}


def merge(files: Sequence[Path]) -> Environment:
    """Merge the environment files of a command line in their order.

    Raises:
        LabError: a file is missing or not an environment, or uses parameter_merge_strategies.
    """
    merged: dict[str, Any] = {}
    for file in files:
        document = load(file) or {}
        if not isinstance(document, Mapping):
            raise LabError(f"Error parsing {file}: The environment is not a valid YAML mapping data type.")
        unknown = sorted(set(document) - _SECTIONS)
        if unknown:
            raise LabError(f'Error parsing {file}: environment has wrong section "{unknown[0]}"')
        if document.get("parameter_merge_strategies"):
            raise LabError(f"{file}: the lab does not support parameter_merge_strategies")
        merged = deep_update(merged, document)
    defaults, parameters = merged.get("parameter_defaults") or {}, merged.get("parameters") or {}
    return Environment({**defaults, **parameters}, merged.get("resource_registry") or {})


class Parameters:
    """Reads values with the types of Heat's templates. Raises LabError for a wrong type or a missing value."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def text(self, name: str, default: Any = _REQUIRED) -> str:
        """Return a `string`."""
        value = self._get(name, default)
        if isinstance(value, (Mapping, list)):
            raise _invalid(name, "Value must be a string")
        return str(value)

    def words(self, name: str, default: Any = _REQUIRED) -> tuple[str, ...]:
        """Return a `comma_delimited_list`, written as a list or as one string."""
        value = self._get(name, default)
        if isinstance(value, str):
            return tuple(word.strip() for word in value.split(",") if word.strip())
        if isinstance(value, list):
            return tuple(str(word) for word in value)
        raise _invalid(name, f"Value must be a comma-delimited list string: {value!r}")

    def flag(self, name: str, default: Any = _REQUIRED) -> bool:
        """Return a `boolean`."""
        value = str(self._get(name, default)).lower()
        if value not in TRUE | FALSE:
            raise _invalid(name, f"Unrecognized value '{value}', acceptable values are: {sorted(TRUE | FALSE)}")
        return value in TRUE

    def number(self, name: str, default: Any = _REQUIRED, least: int | None = None) -> int:
        """Return a `number` that must be an integer, at least `least`."""
        value = self._get(name, default)
        try:
            number = int(str(value))
        except ValueError:
            raise _invalid(name, f"could not convert string to a number: {value!r}") from None
        if least is not None and number < least:
            raise _invalid(name, f"{number} is out of range (min: {least}, max: None)")
        return number

    def map(self, name: str) -> dict[str, Any]:
        """Return a `json` that must be a map; empty by default."""
        value = self._json(name, {})
        if not isinstance(value, dict):
            raise _invalid(name, "Value must be valid JSON, a map")
        return value

    def maps(self, name: str) -> list[dict[str, Any]]:
        """Return a `json` that must be a list of maps; empty by default."""
        return maps(self._json(name, []), f"Parameter '{name}'")

    def _json(self, name: str, default: Any) -> Any:
        value = self._get(name, default)
        if not isinstance(value, str):
            return default if value is None else value
        try:
            return json.loads(value) if value else default
        except ValueError as error:
            raise _invalid(name, f"Value must be valid JSON: {error}") from error

    def _get(self, name: str, default: Any) -> Any:
        value = self._values.get(name)
        if value is None and default is _REQUIRED:
            raise LabError(f"The Parameter ({name}) was not provided.")
        return default if value is None else value


def maps(value: Any, where: str) -> list[dict[str, Any]]:
    """Return `value` if it is a list of maps.

    Raises:
        LabError: `value` is not a list of maps; the text starts with `where`.
    """
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise LabError(f"{where} is invalid: Value must be a list of maps, not {value!r}")
    return value


def _invalid(name: str, why: str) -> LabError:
    return LabError(f"Parameter '{name}' is invalid: {why}")
