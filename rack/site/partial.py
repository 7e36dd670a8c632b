"""A site of which some values are invalid, so that rules which do not need them can be checked too."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_json

from rack.site.schema import Type


class UnknownValueError(Exception):
    """A value is needed that is invalid or missing in the configuration."""


class _Unknown:
    """Stands for an invalid value. Every use of it raises UnknownValueError."""

    def _raise(self, *_: Any) -> Any:
        raise UnknownValueError

    __getattr__ = __getitem__ = __iter__ = __contains__ = __len__ = __bool__ = __hash__ = __str__ = __format__ = _raise
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = _raise
    __rmul__ = __floordiv__ = __int__ = __index__ = __repr__ = _raise


UNKNOWN = _Unknown()


def build(model: type[BaseModel], document: Mapping[str, Any]) -> Any:
    """Return the model with the valid values of the document; the others are unknown.

    An omitted key has its default, unless it may have been misspelt.
    """
    fields = Type(model).fields
    misspelt = {near for key in document.keys() - fields.keys() for near in get_close_matches(key, fields)}
    values: dict[str, Any] = {}
    for key, field in fields.items():
        name = next(name for name, one in model.model_fields.items() if one is field)
        if key in document:
            kind = Type.of_field(field)
            values[name] = _value(kind, document[key], Annotated[field.annotation, kind, *field.metadata])
        elif field.is_required() or key in misspelt:
            values[name] = UNKNOWN
    return model.model_construct(**values)


def _value(kind: Type, written: Any, annotation: Any) -> Any:
    try:
        return TypeAdapter(annotation).validate_json(to_json(written), strict=True, by_alias=True, by_name=False)
    except ValidationError:
        return _parts(kind, written)


def _parts(kind: Type, written: Any) -> Any:
    """Return the valid parts of an invalid value, if it has parts."""
    if kind.model and isinstance(written, dict):
        return build(kind.model, written)
    item = kind.item
    if item is None:
        return UNKNOWN
    annotation: Any = Annotated[item.bare, item, *item.metadata]
    if isinstance(written, list) and get_origin(kind.bare) is tuple and get_args(kind.bare)[-1] is Ellipsis:
        found = tuple(_value(item, one, annotation) for one in written)
        return found if written else UNKNOWN
    if isinstance(written, dict) and get_origin(kind.bare) is Mapping and not written.keys() - set(kind.allowed_keys):
        return {key: _value(item, one, annotation) for key, one in written.items()}
    return UNKNOWN
