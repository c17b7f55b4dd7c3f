"""Was the name of what is to go typed as it is? Asked again here: a page can be bypassed."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest

FIELD = "confirm_name"


def name_typed(request: HttpRequest, name: str) -> bool:
    """Whether the dialog's field holds ``name``; if not, the next page says so."""
    if request.POST.get(FIELD, "").strip() == name:
        return True
    messages.error(request, f"Nothing was changed: type {name} to confirm.")
    return False
