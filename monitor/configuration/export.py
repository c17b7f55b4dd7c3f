"""Which document would make this fleet? Only what differs from the defaults is in it."""

from __future__ import annotations

from typing import Any

import yaml
from django.db import models

from monitor.configuration.sections import SECTIONS, Section
from monitor.configuration.values import plain

VERSION = 1

# Any in this module: what YAML holds.


def build_document() -> dict[str, Any]:
    """Return the configuration as it is. No secret is in it."""
    return {"version": VERSION, **{section.name: _rows(section) for section in SECTIONS}}


def dump(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)


def describe(section: Section, row: models.Model) -> dict[str, Any]:
    """Return an entry of the document: what says which row it is, and what differs."""
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
        # Where a cron expression says when, nothing is counted from a moment.
        entry.pop("anchor_at", None)
    return entry


def values_of(section: Section, row: models.Model) -> dict[str, Any]:
    """Return every column and list of a row that the document can hold."""
    values = {name: plain(_field(section, name), getattr(row, name)) for name in section.columns}
    if row.pk is None:
        return values | {name: [] for name in section.lists}
    # Through ``all``, so that what was fetched ahead is used.
    lists = {name: sorted(each.name for each in getattr(row, name).all()) for name in section.lists}
    return values | lists


def default_of(section: Section, name: str) -> Any:
    """Return what a column is where the document says nothing of it."""
    if name in section.lists:
        return []
    field = _field(section, name)
    # A moment of now is no default that a document could leave out.
    if isinstance(field, models.DateTimeField):
        return None
    return plain(field, field.get_default())


def _field(section: Section, name: str) -> models.Field[Any, Any]:
    field = section.model._meta.get_field(name)
    assert isinstance(field, models.Field)
    return field


def _rows(section: Section) -> list[dict[str, Any]]:
    rows = section.model._default_manager.order_by("pk").prefetch_related(*section.lists)
    related = [name for name in section.key if _field(section, name).is_relation]
    found = rows.select_related(*related) if related else rows
    entries = [describe(section, row) for row in found]
    return sorted(entries, key=lambda entry: [str(entry.get(name, "")) for name in section.key])
