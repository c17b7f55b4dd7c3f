"""Was the name of the object to delete entered correctly? Checked on the server as well."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest

FIELD = "confirm_name"


def name_confirmed(request: HttpRequest, name: str) -> bool:
    """Whether the dialog's field contains ``name``; if not, the next page shows an error."""
    if request.POST.get(FIELD, "").strip() == name:
        return True
    messages.error(request, f"Nothing was changed: enter {name} to confirm.")
    return False
