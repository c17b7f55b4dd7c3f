"""What do the pages under Settings share? Tabs, saving, deleting, and recording both."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.db.models import Model, ProtectedError
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import reverse

from backups.activity import record
from backups.models.activity import Verb
from monitor.confirmations import name_confirmed
from monitor.selectors.settings import count_settings

TABS = {
    "instances": "settings",
    "groups": "setting-groups",
    "objectives": "setting-objectives",
    "repositories": "setting-repositories",
}


def tabs(current: str) -> list[dict[str, object]]:
    """Return the tabs; the last one is the Django admin, for everything without a page here."""
    counts = count_settings()
    shown: list[dict[str, object]] = [
        {
            "word": word.capitalize(),
            "address": reverse(name),
            "count": counts[word],
            "current": word == current,
        }
        for word, name in TABS.items()
    ]
    everything: dict[str, object] = {
        "word": "Everything else",
        "address": reverse("admin:index"),
        "count": None,
    }
    return [*shown, everything]


def record_saved(form: ModelForm[Model], *, added: bool) -> None:
    """Record who saved the form, with the names of the changed fields only."""
    if added:
        record(Verb.ADDED, form.instance)
    elif form.changed_data:
        labels = [str(form.fields[name].label or name) for name in form.changed_data]
        record(Verb.CHANGED, form.instance, details={"fields": labels})


def delete(request: HttpRequest, row: Model, name: str, why_not: str) -> bool:
    """Delete a row whose name was confirmed, unless it is in use; show the result."""
    if why_not:
        messages.error(request, f"{name} was not deleted. {why_not}")
        return False
    if not name_confirmed(request, name):
        return False
    try:
        with transaction.atomic():
            record(Verb.DELETED, row)
            row.delete()
    except ProtectedError:
        # Something started to refer to it while the page was open.
        messages.error(request, f"{name} was not deleted: it is in use by now.")
        return False
    messages.success(request, f"{name} was deleted.")
    return True
