"""Which document describes this fleet? It contains only what differs from the defaults."""

from __future__ import annotations

from typing import Any

import yaml
from django.db import models

from monitor.configuration.sections import SECTIONS, Section
from monitor.configuration.values import plain

VERSION = 1

# Any in this module: what YAML holds.


def build_document() -> dict[str, Any]:
    """Return the present configuration, without secrets."""
    return {"version": VERSION, **{section.name: _rows(section) for section in SECTIONS}}


def dump(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)


def describe(section: Section, row: models.Model) -> dict[str, Any]:
    """Return an entry of the document: the key of the row, and what differs from the defaults."""
    entry: dict[str, Any] = {}
    for name in section.key:
        value = getattr(row, name)
        if value is not None:
            entry[name] = str(value) if isinstance(value, models.Model) else value
    entry |= {
        name: value
        for name, value in values_of(section, row).items()
        if value != default_of(section, name)
    }
    if not entry.get("every_hours"):
        # With a cron expression there is no start of intervals.
        entry.pop("anchor_at", None)
    return entry


def values_of(section: Section, row: models.Model) -> dict[str, Any]:
    """Return all columns and lists of a row that the document can contain."""
    values = {name: plain(_field(section, name), getattr(row, name)) for name in section.columns}
    if row.pk is None:
        return values | {name: [] for name in section.lists}
    # Through ``all``, to use the prefetched rows.
    lists = {name: sorted(item.name for item in getattr(row, name).all()) for name in section.lists}
    return values | lists


def default_of(section: Section, name: str) -> Any:
    """Return the value of a column that the document omits."""
    if name in section.lists:
        return []
    field = _field(section, name)
    # The present time is not a default that a document could omit.
    if isinstance(field, models.DateTimeField):
        return None
    return plain(field, field.get_default())


def _field(section: Section, name: str) -> models.Field[Any, Any]:
    field = section.model._meta.get_field(name)
    assert isinstance(field, models.Field)
    return field


def _rows(section: Section) -> list[dict[str, Any]]:
    rows = section.model._default_manager.order_by("pk").prefetch_related(*section.lists)
    names = (*section.key, *section.columns)
    related = [name for name in names if _field(section, name).is_relation]
    selected = rows.select_related(*related) if related else rows
    entries = [describe(section, row) for row in selected]
    return sorted(entries, key=lambda entry: [str(entry.get(name, "")) for name in section.key])
