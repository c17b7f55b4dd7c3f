"""Record changes in the Django admin as activity, like all other changes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.contrib.admin import ModelAdmin
from django.db.models import Model
from django.http import HttpRequest

from backups.activity import record
from backups.models import Backup
from backups.models.activity import Verb

# At run time the class takes no parameter. Any: one mixin serves every model.
if TYPE_CHECKING:
    _Base = ModelAdmin[Any]
else:
    _Base = ModelAdmin


class Audited(_Base):
    """Mixin of every admin page. Names of fields are recorded, never their values.

    Any: Django passes rows of any model, and messages of several shapes.
    """

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        record(Verb.ADDED, obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        fields = changed_fields(message)
        record(_verb(obj, fields), obj, details=_details(obj, fields))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for row in queryset:
            record(Verb.DELETED, row)
        return super().log_deletions(request, queryset)


def changed_fields(message: Any) -> list[str]:
    """Return the labels of the changed fields in a change message. Any: see above."""
    if isinstance(message, str):
        try:
            message = json.loads(message)
        except ValueError:
            # Plain text, as written by the page that changes a password.
            return [message]
    if not isinstance(message, list):
        return [str(message)]
    parts = [part for entry in message for part in entry.values() if isinstance(part, dict)]
    return [str(field) for part in parts for field in part.get("fields", [part.get("name", "")])]


def _verb(row: Model, fields: list[str]) -> Verb:
    if isinstance(row, Backup) and "Pinned" in fields:
        return Verb.PINNED if row.pinned else Verb.UNPINNED
    return Verb.CHANGED


def _details(row: Model, fields: list[str]) -> dict[str, object]:
    reason = {"reason": row.pinned_reason} if isinstance(row, Backup) and row.pinned_reason else {}
    return {"fields": fields, **reason}
