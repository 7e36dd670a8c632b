"""Records and configuration models of `rack` are immutable, so no reader can change them for others."""

import dataclasses
import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

import rack

COLLECTORS = {"LoadedDocuments", "Workers", "CheckRun"}
"""Dataclasses that collect results while they run."""


def classes() -> Iterator[type[Any]]:
    for module in pkgutil.walk_packages(rack.__path__, "rack."):
        if ".inside" in module.name or module.name.endswith("__main__"):
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and value.__module__ == module.name:
                yield value


@pytest.mark.parametrize(
    "record",
    [c for c in classes() if dataclasses.is_dataclass(c) and c.__name__ not in COLLECTORS],
    ids=lambda record: record.__qualname__,
)
def test_a_dataclass_is_frozen(record: Any) -> None:
    assert record.__dataclass_params__.frozen


@pytest.mark.parametrize(
    "model", [c for c in classes() if issubclass(c, BaseModel) and c.__module__.startswith("rack.site")],
    ids=lambda model: model.__qualname__,
)  # fmt: skip
def test_a_configuration_model_is_frozen_and_refuses_unknown_keys(model: type[BaseModel]) -> None:
    assert model.model_config["frozen"] is True
    assert model.model_config["extra"] == "forbid"
