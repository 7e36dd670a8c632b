"""YAML by libyaml, which is ten times as fast as PyYAML's own parser and emitter; tests use it hundreds of times."""

from typing import Any

import yaml


def load(text: str) -> Any:
    """Return the document in a text."""
    return yaml.load(text, Loader=yaml.CSafeLoader)


def dump(document: Any, **options: Any) -> str:
    """Return a document as YAML. `options`: of `yaml.dump`."""
    return str(yaml.dump(document, Dumper=yaml.CSafeDumper, **options))
