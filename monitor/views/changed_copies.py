"""A copy that was changed: what differs from the registered one, and its acceptance."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_POST, require_safe

from backups.admin.places import place_to_wait
from backups.catalog.accept import ChangedCopy, accept_changed, inspect_changed
from backups.exceptions import MooringError
from backups.models import BackupCopy
from backups.states import CopyStatus
from monitor.access.roles import Role, needs
from monitor.confirmations import name_confirmed
from monitor.views.requests import refusals_shown

# Of an unencrypted manifest, which anyone may have forged: about 8 MiB unpacked.
MOST_BYTES = 64 * 1024


@require_safe
@needs(Role.ADMIN)
def copy_changed(request: HttpRequest, label: str, copy: int) -> HttpResponse:
    """Show the registered copy beside what is in its place, or why that cannot be accepted."""
    row = _stored(label, copy)
    context: dict[str, object] = {"copy": row}
    try:
        context["changed"] = _inspect(row)
    except MooringError as exc:
        context["problem"] = exc
    return render(request, "monitor/changed_copy.html", context)


@require_POST
@needs(Role.ADMIN)
def copy_accept(request: HttpRequest, label: str, copy: int) -> HttpResponse:
    """Register what is in the copy's place, if it is still what was shown."""
    row = _stored(label, copy)
    if not name_confirmed(request, label):
        return redirect("copy-changed", label, copy)
    with refusals_shown(request):
        changed = _inspect(row)
        if request.POST.get("digest") != changed.manifest.digest:
            messages.error(request, "Nothing was changed: this is not the copy that was shown.")
            return redirect("copy-changed", label, copy)
        accept_changed(changed, now())
        messages.success(request, "Accepted, and unproven: verify it and test its restore.")
    return redirect("backup-detail", label)


def _stored(label: str, copy: int) -> BackupCopy:
    copies = BackupCopy.objects.select_related("backup__instance", "repository")
    return get_object_or_404(copies.filter(status=CopyStatus.STORED), pk=copy, backup__label=label)


def _inspect(row: BackupCopy) -> ChangedCopy:
    with place_to_wait():
        return inspect_changed(row, most_unsealed_bytes=MOST_BYTES)
