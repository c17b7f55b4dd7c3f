"""Pin or hold a backup, and purge one of its copies."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.timezone import now
from django.views.decorators.http import require_POST

from backups.jobs.request import create_copy_job
from backups.models import Backup, BackupCopy
from backups.parameters import PurgeParameters
from backups.retention.holds import (
    REASON_LENGTH,
    hold_backup,
    pin_backup,
    release_backup,
    unpin_backup,
)
from backups.retention.second_admin import needs_second_admin, request_purge
from backups.states import CopyStatus, Operation
from monitor.access.roles import Role, has_role, needs
from monitor.confirmations import name_confirmed
from monitor.forms.hold import HoldForm
from monitor.views.requests import refusals_shown, requesting_user


@require_POST
@needs(Role.OPERATOR)
def backup_pin(request: HttpRequest, label: str) -> HttpResponse:
    """Pin a backup, with a reason; or unpin it."""
    backup = get_object_or_404(Backup.objects.select_related("instance"), label=label)
    with refusals_shown(request):
        if "unpin" in request.POST:
            unpin_backup(backup)
            messages.success(request, "No longer pinned.")
        else:
            pin_backup(backup, reason=request.POST.get("reason", ""))
            messages.success(request, "Pinned.")
    return redirect("backup-detail", label)


@require_POST
@needs(Role.OPERATOR)
def backup_hold(request: HttpRequest, label: str) -> HttpResponse:
    """Hold a backup until a date, with a reason; or release it."""
    backup = get_object_or_404(Backup.objects.select_related("instance"), label=label)
    if "release" in request.POST:
        with refusals_shown(request):
            release_backup(backup, now())
            messages.success(request, "No longer held.")
        return redirect("backup-detail", label)
    form = HoldForm(request.POST)
    if not form.is_valid():
        faults = " ".join(str(text) for texts in form.errors.values() for text in texts)
        messages.error(request, f"Nothing was changed: {faults}")
        return redirect("backup-detail", label)
    with refusals_shown(request):
        hold_backup(backup, now=now(), **form.cleaned_data)
        messages.success(request, "Held.")
    return redirect("backup-detail", label)


@require_POST
@needs(Role.OPERATOR)
def copy_purge(request: HttpRequest, label: str, copy: int) -> HttpResponse:
    """Request the purge of a copy, once its label was entered."""
    copies = BackupCopy.objects.select_related("backup__instance", "repository")
    row = get_object_or_404(copies.exclude(status=CopyStatus.PURGED), pk=copy, backup__label=label)
    if not name_confirmed(request, label):
        return redirect("backup-detail", label)
    # Only an admin may purge the last restorable backup, or at once: both cannot be undone.
    admin = has_role(request.user, Role.ADMIN)
    forced, at_once = (admin and name in request.POST for name in ("force", "at_once"))
    reason = request.POST.get("reason", "").strip()[:REASON_LENGTH]
    if at_once and not reason:
        messages.error(request, "Nothing was changed: enter a reason to purge it at once.")
        return redirect("backup-detail", label)
    parameters = PurgeParameters(reason or "purged on its page", force=forced, at_once=at_once)
    with refusals_shown(request):
        if needs_second_admin(row, parameters):
            request_purge(row, parameters, requesting_user(request), now())
            messages.warning(request, "Requested: another admin must confirm it within 24 hours.")
            return redirect("deletions")
        job = create_copy_job(
            Operation.PURGE, row, requested_by=requesting_user(request), parameters=parameters
        )
        return redirect("job-detail", job.pk)
    return redirect("backup-detail", label)
