"""What does one engine know of a copy that others do not, and how is it stored?

Stored as texts by name, in manifests and in the catalog, so that any version can read what
any other wrote: a name it does not know, and a value it cannot read, are unknown to it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self, get_type_hints

Texts = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyDetails:
    """What an engine adds to the facts of a copy. Every field is optional: None is unknown or none.

    An engine derives its own from this one; these fields are what a restore asks of all.
    """

    # Where in the copy the keyring of its encrypted files is.
    keyring_file: str | None = None
    # Files that were outside of the data directory: their path in the copy, and where they were.
    external_files: Texts | None = None

    @classmethod
    def read(cls, stored: Mapping[str, object]) -> Self:
        """Return what is stored; a blank text and a missing one are both None."""
        hints = get_type_hints(cls)
        texts = {field.name: str(stored.get(field.name) or "") for field in fields(cls)}
        # Any: each of the type that its field names.
        columns: dict[str, Any] = {
            name: _READ[hints[name]](text) for name, text in texts.items() if text
        }
        return cls(**columns)

    def write(self) -> dict[str, str]:
        """Return what is to be stored: only what is known."""
        known = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: _written(value) for name, value in known if value not in (None, "")}


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _flag(text: str) -> bool | None:
    return {"Y": True, "N": False}.get(text)


def _texts(text: str) -> Texts | None:
    try:
        content = json.loads(text)
    except ValueError:
        return None
    if not isinstance(content, dict):
        return None
    return {str(name): str(value) for name, value in content.items()}


# By the types that a field may have.
_READ: Mapping[object, Callable[[str], object]] = {
    str | None: str,
    int | None: _number,
    bool | None: _flag,
    Texts | None: _texts,
}


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "Y" if value else "N"
    return json.dumps(value) if isinstance(value, Mapping) else str(value)
