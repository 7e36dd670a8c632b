"""Records of the UFM provider are immutable: what one thread of the plugin reads, no other has changed."""

import dataclasses
import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest

import providers.ufm


def records() -> Iterator[type[Any]]:
    for module in pkgutil.iter_modules(providers.ufm.__path__, "providers.ufm."):
        for value in vars(importlib.import_module(module.name)).values():
            if dataclasses.is_dataclass(value) and isinstance(value, type) and value.__module__ == module.name:
                yield value


@pytest.mark.parametrize("record", list(records()), ids=lambda record: record.__qualname__)
def test_a_dataclass_is_frozen(record: Any) -> None:
    assert record.__dataclass_params__.frozen
