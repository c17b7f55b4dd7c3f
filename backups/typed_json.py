"""How does stored JSON become a frozen dataclass, checked, and go back? Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from backups.exceptions import BadInput

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def read_fields(cls: type[T], stored: object) -> T:
    """Return what is stored as a ``cls``; BadInput says which key is unknown, missing or wrong."""
    if not isinstance(stored, Mapping):
        raise BadInput(f"an object is expected, not {stored!r}")
    known = {field.name: field for field in fields(cls)}
    if unknown := sorted(set(stored) - set(known)):
        raise BadInput(f"unknown key {', '.join(unknown)}")
    required = [name for name, known_field in known.items() if _is_required(known_field)]
    if missing := [name for name in required if name not in stored]:
        raise BadInput(f"missing key {', '.join(missing)}")
    hints = get_type_hints(cls)
    return cls(**{name: _checked(name, hints[name], value) for name, value in stored.items()})


def write_fields(value: DataclassInstance) -> dict[str, Any]:
    """Return what ``read_fields`` reads again; None is left out."""
    contents = ((field.name, getattr(value, field.name)) for field in fields(value))
    return {name: _plain(content) for name, content in contents if content is not None}


# Any: whatever the field's default is.
def _is_required(field: Any) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _checked(name: str, hint: object, value: object) -> object:
    expected, kinds, build = _TYPES[hint]
    # A bool is an int to Python, and to nobody else.
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise BadInput(f"{name} is {value!r}: {expected} is expected")
    return build(value)


def _same(value: Any) -> Any:
    return value


def _texts(values: Any) -> tuple[str, ...] | None:
    if values is not None and not all(isinstance(value, str) for value in values):
        raise BadInput(f"{values!r}: a list of texts is expected")
    return None if values is None else tuple(values)


# By the types that a field may have: in words, in JSON, and how it is made.
_TYPES: Mapping[object, tuple[str, tuple[type, ...], Callable[[Any], object]]] = {
    bool: ("true or false", (bool,), _same),
    bool | None: ("true or false", (bool, type(None)), _same),
    int: ("a whole number", (int,), _same),
    int | None: ("a whole number", (int, type(None)), _same),
    str: ("a text", (str,), _same),
    str | None: ("a text", (str, type(None)), _same),
    Path: ("a path", (str,), Path),
    Mapping[str, str]: ("an object", (dict,), _same),
    tuple[str, ...] | None: ("a list of texts", (list, tuple, type(None)), _texts),
}


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value
