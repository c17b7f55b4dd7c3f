"""Which row does a name on the command line mean?"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TypeVar

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import Model, QuerySet

from backups.exceptions import BadInput
from backups.models import Backup, Instance, Repository

Row = TypeVar("Row", bound=Model)


def named_instance(name: str) -> Instance:
    """Load an instance by name, or raise BadInput with the nearest names as hint."""
    return named(Instance.objects.all(), name, "instance", "addinstance")


def named_repository(name: str) -> Repository:
    """Load a repository by name, or raise BadInput with the nearest names as hint."""
    return named(Repository.objects.all(), name, "repository", "addrepository")


def named_backup(label: str) -> Backup:
    """Load a backup by its label, or raise BadInput."""
    backup = Backup.objects.select_related("instance").filter(label=label).first()
    if backup is None:
        raise BadInput(f"no backup is called {label}", hint="Run listbackups to see the labels.")
    return backup


def refuse_invalid(row: Model) -> None:
    """Raise BadInput with the messages of the model's validators."""
    try:
        row.full_clean()
    except ValidationError as exc:
        faults = [
            ("" if name == NON_FIELD_ERRORS else f"{name}: ") + " ".join(texts).rstrip(".")
            for name, texts in exc.message_dict.items()
        ]
        raise BadInput("; ".join(faults)) from None


def named(rows: QuerySet[Row], name: str, noun: str, command: str) -> Row:
    """Load the row called ``name``, or raise BadInput with the nearest names as hint."""
    if row := rows.filter(name=name).first():
        return row
    names = list(rows.values_list("name", flat=True))
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Add one with {command}."
    raise BadInput(f"no {noun} is called {name}", hint=hint)
