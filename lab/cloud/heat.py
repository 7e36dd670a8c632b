"""Environment files, merged as tripleoclient and Heat merge them, and parameters read with Heat's types.

Maps merge deeply, everything else is replaced, the later file wins (heatclient's `environment_format`). A role's own
`<Role>Parameters` win over the global ones, for parameters that TripleO marks role-specific. Tried on the real tools:
`wallaby-tools.md`.
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
    """One YAML document.

    Raises:
        LabError: the file is not there, or is no YAML.
    """
    try:
        return yaml.safe_load(file.read_text())
    except OSError as error:
        raise LabError(f"The following file was not found: {file} ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise LabError(f"Error parsing {file}: {error}") from error


def deep_update(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """`old` overlaid with `new`: maps merge, the rest is replaced; an empty value leaves a map as it was."""
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
    """What all environment files say together."""

    parameters: Mapping[str, Any]
    registry: Mapping[str, Any]

    def role(self, name: str) -> "Parameters":
        """The parameters as a service of this role sees them, where they are role-specific."""
        own = self.parameters.get(f"{name}Parameters") or {}
        if not isinstance(own, Mapping):
            raise LabError(f"Parameter '{name}Parameters' is invalid: Value must be valid JSON, a map")
        return Parameters({**self.parameters, **own})

    def hieradata(self, name: str) -> dict[str, Any]:
        """Puppet's data for the hosts of a role: ExtraConfig, and above it <Role>ExtraConfig."""
        parameters = Parameters(self.parameters)
        return {**parameters.map("ExtraConfig"), **parameters.map(f"{name}ExtraConfig")}


def merge(files: Sequence[Path]) -> Environment:
    """All environment files of a command line, in its order.

    Raises:
        LabError: a file is missing, or is no environment; or wants a merge strategy other than TripleO's own.
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
            raise LabError(f"{file}: the lab knows no parameter_merge_strategies")
        merged = deep_update(merged, document)
    defaults, parameters = merged.get("parameter_defaults") or {}, merged.get("parameters") or {}
    return Environment({**defaults, **parameters}, merged.get("resource_registry") or {})


class Parameters:
    """Reads values with the types of Heat's templates. A parameter without default that is missing is an error."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def text(self, name: str, default: Any = _REQUIRED) -> str:
        """A `string`."""
        value = self._get(name, default)
        if isinstance(value, (Mapping, list)):
            raise _invalid(name, "Value must be a string")
        return str(value)

    def words(self, name: str, default: Any = _REQUIRED) -> tuple[str, ...]:
        """A `comma_delimited_list`: a list, or one string."""
        value = self._get(name, default)
        if isinstance(value, str):
            return tuple(word.strip() for word in value.split(",") if word.strip())
        if isinstance(value, list):
            return tuple(str(word) for word in value)
        raise _invalid(name, f"Value must be a comma-delimited list string: {value!r}")

    def flag(self, name: str, default: Any = _REQUIRED) -> bool:
        """A `boolean`."""
        value = str(self._get(name, default)).lower()
        if value not in TRUE | FALSE:
            raise _invalid(name, f"Unrecognized value '{value}', acceptable values are: {sorted(TRUE | FALSE)}")
        return value in TRUE

    def number(self, name: str, default: Any = _REQUIRED, least: int | None = None) -> int:
        """A `number` that makes sense as a whole one only."""
        value = self._get(name, default)
        try:
            number = int(str(value))
        except ValueError:
            raise _invalid(name, f"could not convert string to a number: {value!r}") from None
        if least is not None and number < least:
            raise _invalid(name, f"{number} is out of range (min: {least}, max: None)")
        return number

    def map(self, name: str) -> dict[str, Any]:
        """A `json` that must be a map; empty by default."""
        value = self._json(name, {})
        if not isinstance(value, dict):
            raise _invalid(name, "Value must be valid JSON, a map")
        return value

    def maps(self, name: str) -> list[dict[str, Any]]:
        """A `json` that must be a list of maps; empty by default."""
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
    """`value` if it is a list of maps.

    Raises:
        LabError: it is something else; the text starts with `where`.
    """
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise LabError(f"{where} is invalid: Value must be a list of maps, not {value!r}")
    return value


def _invalid(name: str, why: str) -> LabError:
    return LabError(f"Parameter '{name}' is invalid: {why}")
