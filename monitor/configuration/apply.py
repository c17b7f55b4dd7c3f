"""What does a document change, and how is it applied?

All or nothing, in one transaction: a dry run does the same and rolls back, so that it shows exactly
what would happen. Only rule settings and objectives are ever deleted; what the document does not
name stays as it is, or is disabled with ``prune``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from django.db import models, transaction
from django.utils.timezone import now

from alerts.evaluation.thresholds import threshold_faults
from alerts.models import RuleSetting
from backups.engines import engine_named
from backups.exceptions import BadInput, KeyUnavailable
from backups.management.rows import refuse_invalid
from backups.models import BackupSchedule, Instance, RecoveryObjective, Tag
from backups.models.instance import ROUTE_OF_PASSWORD
from backups.objectives.save import judge_all_again
from backups.schedules.save import save_schedule
from monitor.configuration.export import VERSION, values_of
from monitor.configuration.sections import SECTIONS, Section
from monitor.configuration.values import parsed

PASSWORD_FILE = "password_file"  # noqa: S105 - the name of a key  # nosec B105

# Any in this module: what YAML holds.


@dataclass(frozen=True, slots=True)
class ConfigurationChange:
    """One row that is, or would be, changed."""

    section: str
    name: str
    # add, change, disable, remove
    verb: str
    # Column, old and new value. A password is only reported as set.
    columns: tuple[tuple[str, Any, Any], ...] = ()


class _RollBack(Exception):
    """Roll back the transaction of a dry run."""


def load_document(path: Path) -> dict[str, Any]:
    """Read a document; BadInput names the line that is not valid YAML."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise BadInput(f"{path} cannot be read: {exc.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise BadInput(f"{path} is not valid YAML: {' '.join(str(exc).split())}") from None
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise BadInput(f"{path} is not a configuration of version {VERSION}")
    known = {"version", *(section.name for section in SECTIONS)}
    if unknown := sorted(map(str, set(document) - known)):
        raise BadInput(
            f"{path}: {unknown[0]} is not a section", hint=f"Known sections: {_listed(known)}."
        )
    return document


def apply(
    document: Mapping[str, Any], *, dry_run: bool, prune: bool = False, folder: Path = Path()
) -> list[ConfigurationChange]:
    """Apply the document to the fleet; return what was, or would be, changed."""
    changes: list[ConfigurationChange] = []
    try:
        with transaction.atomic():
            for section in SECTIONS:
                entries = document.get(section.name) or []
                changes += _apply_section(section, entries, folder)
                if prune and section.name in document:
                    changes += _prune(section, entries)
            if changes:
                judge_all_again(now())
            if dry_run:
                raise _RollBack
    except _RollBack:
        pass
    return changes


def _apply_section(section: Section, entries: Any, folder: Path) -> Iterator[ConfigurationChange]:
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BadInput(f"{section.name} is not a list of entries")
    seen = set()
    for entry in in_order(section, entries):
        name = name_of(section, entry)
        if name in seen:
            raise BadInput(f"{section.name}: {name} appears twice")
        seen.add(name)
        try:
            change = _apply_entry(section, entry, name, folder)
        except BadInput as exc:
            raise BadInput(f"{section.name}: {name}: {exc}", hint=exc.hint) from None
        if change:
            yield change


def in_order(section: Section, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries, each behind the one that it runs after; BadInput for a circle."""
    if section.model is not BackupSchedule:
        return entries
    waiting, ordered = list(entries), list[dict[str, Any]]()
    while waiting:
        names = {str(entry.get("name")) for entry in waiting}
        ready = [
            entry for entry in waiting if not entry.get("after") or str(entry["after"]) not in names
        ]
        if not ready:
            circle = ", ".join(sorted(names))
            raise BadInput(f"{section.name}: {circle} run after one another in a circle")
        ordered += ready
        waiting = [entry for entry in waiting if entry not in ready]
    return ordered


def name_of(section: Section, entry: Mapping[str, Any]) -> str:
    """Return the name of an entry: its name, the rule and its scope, or the scope alone."""
    if section.model is RecoveryObjective:
        scopes = [f"{name} {entry[name]}" for name in section.key if entry.get(name)]
        return ", ".join(scopes) or "all instances"
    first = entry.get(section.key[0])
    if not isinstance(first, str) or not first:
        raise BadInput(f"{section.name}: an entry has no {section.key[0]}")
    scopes = [f"{name} {entry[name]}" for name in section.key[1:] if entry.get(name)]
    return " for ".join([first, *scopes])


def _apply_entry(
    section: Section, entry: Mapping[str, Any], name: str, folder: Path
) -> ConfigurationChange | None:
    allowed = {*section.key, *section.columns, *section.lists}
    if section.model is Instance:
        allowed.add(PASSWORD_FILE)
    if unknown := sorted(map(str, set(entry) - allowed)):
        raise BadInput(
            f"{unknown[0]} is not a known column", hint=f"Known columns: {_listed(allowed)}."
        )
    row = _find(section, entry)
    is_new = row.pk is None
    before = values_of(section, row)
    _set_columns(section, row, entry, is_new)
    _refuse_moved_password(section, row, entry, before)
    sets_password = _set_password(row, entry, folder)
    lists = {
        column: _named_rows(section, column, entry.get(column) or []) for column in section.lists
    }
    after = {**values_of(section, row), **{column: sorted(lists[column]) for column in lists}}
    columns = [
        (column, before[column], after[column])
        for column in after
        if before[column] != after[column]
    ]
    if sets_password:
        columns.append(("password", "", "set"))
    if not is_new and not columns:
        return None
    _save(section, row, lists)
    return ConfigurationChange(section.name, name, "add" if is_new else "change", tuple(columns))


def _find(section: Section, entry: Mapping[str, Any]) -> models.Model:
    """Load the row of an entry, or create a new one."""
    key: dict[str, Any] = {}
    for name in section.key:
        field = section.model._meta.get_field(name)
        value = entry.get(name)
        if field.is_relation and value is not None:
            related = field.related_model
            assert isinstance(related, type)
            value = _by_name(related, str(value))
        key[name] = value
    return section.model._default_manager.filter(**key).first() or section.model(**key)


def _set_columns(
    section: Section, row: models.Model, entry: Mapping[str, Any], is_new: bool
) -> None:
    for name in section.columns:
        field = section.model._meta.get_field(name)
        assert isinstance(field, models.Field)
        if name in entry:
            try:
                setattr(row, name, _value(field, entry[name]))
            except BadInput as exc:
                raise BadInput(f"{name}: {exc}", hint=exc.hint) from None
        elif not is_new and not isinstance(field, models.DateTimeField):
            # The document defines all columns of a row that it names.
            setattr(row, name, field.get_default())


def _value(field: models.Field[Any, Any], value: Any) -> Any:
    """Return a value of the document for a column; a row where the column names one."""
    related = field.related_model
    if value is None or not isinstance(related, type):
        return parsed(field, value)
    return _by_name(related, str(value))


def _refuse_moved_password(
    section: Section, row: models.Model, entry: Mapping[str, Any], before: Mapping[str, Any]
) -> None:
    """Raise BadInput where a stored password would go elsewhere than it was stored for."""
    if not isinstance(row, Instance) or not row.password_token or PASSWORD_FILE in entry:
        return
    after = values_of(section, row)
    if moved := [name for name in ROUTE_OF_PASSWORD if before[name] != after[name]]:
        raise BadInput(
            f"the address changed ({', '.join(moved)}), and the password is not given again",
            hint=f"Name a file with the password in {PASSWORD_FILE}.",
        )


def _set_password(row: models.Model, entry: Mapping[str, Any], folder: Path) -> bool:
    if not isinstance(row, Instance) or PASSWORD_FILE not in entry:
        return False
    path = folder / str(entry[PASSWORD_FILE])
    try:
        password = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as exc:
        reason = getattr(exc, "strerror", None) or "it is not UTF-8 text"
        raise BadInput(f"password file {path} cannot be read: {reason}") from None
    if not password:
        raise BadInput(f"password file {path} is empty")
    if password == _known_password(row):
        return False
    row.set_password(password)
    return True


def _known_password(row: Instance) -> str | None:
    """Return the stored password; None if no key can decrypt it, so that it is set again."""
    try:
        return row.password()
    except KeyUnavailable:
        return None


def _named_rows(section: Section, name: str, names: Any) -> dict[str, models.Model]:
    if not isinstance(names, list):
        raise BadInput(f"{name} is not a list of names")
    related = section.model._meta.get_field(name).related_model
    assert isinstance(related, type)
    if related is Tag:
        # A tag is just a name: unknown ones are created.
        return {str(wanted): _tag(str(wanted)) for wanted in names}
    return {str(wanted): _by_name(related, str(wanted)) for wanted in names}


def _tag(name: str) -> Tag:
    tag = Tag.objects.filter(name=name).first()
    if tag is None:
        tag = Tag(name=name)
        refuse_invalid(tag)
        tag.save()
    return tag


def _by_name(model: type[models.Model], name: str) -> models.Model:
    row = model._default_manager.filter(name=name).first()
    if row is None:
        raise BadInput(f"no {model._meta.verbose_name} is named {name}")
    return row


def _save(section: Section, row: models.Model, lists: Mapping[str, Mapping[str, Any]]) -> None:
    _refuse_invalid_row(row)
    if isinstance(row, BackupSchedule):
        # Also calculates the next run.
        save_schedule(row, now())
    else:
        row.save()
    for name, rows in lists.items():
        getattr(row, name).set(rows.values())


def _refuse_invalid_row(row: models.Model) -> None:
    """Raise BadInput for what the forms would refuse."""
    refuse_invalid(row)
    if isinstance(row, Instance) and row.engine:
        engine_named(row.engine)
    if isinstance(row, RuleSetting) and (faults := threshold_faults(row.rule, row.thresholds)):
        raise BadInput("; ".join(faults))


def _prune(section: Section, entries: list[Mapping[str, Any]]) -> Iterator[ConfigurationChange]:
    named = {name_of(section, entry) for entry in entries}
    for row in section.model._default_manager.order_by("pk"):
        key = {name: _plain_key(getattr(row, name)) for name in section.key}
        name = name_of(section, key)
        if name in named:
            continue
        if isinstance(row, RuleSetting | RecoveryObjective):
            row.delete()
            yield ConfigurationChange(section.name, name, "remove")
        elif isinstance(row, Instance | BackupSchedule) and row.enabled:
            row.enabled = False
            if isinstance(row, BackupSchedule):
                save_schedule(row, now())
            else:
                row.save(update_fields=["enabled"])
            yield ConfigurationChange(section.name, name, "disable")


def _plain_key(value: Any) -> Any:
    return str(value) if isinstance(value, models.Model) else value


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))
