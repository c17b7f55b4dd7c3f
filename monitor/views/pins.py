"""Pin a backup, and purge one of its copies."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from backups.activity import record
from backups.jobs.request import create_copy_job
from backups.models import Backup, BackupCopy
from backups.models.activity import Verb
from backups.parameters import PurgeParameters
from backups.states import CopyStatus, Operation
from monitor.access.roles import Role, has_role, needs
from monitor.confirmations import name_confirmed
from monitor.views.requests import refusals_shown, requesting_user


@require_POST
@needs(Role.OPERATOR)
def backup_pin(request: HttpRequest, label: str) -> HttpResponse:
    """Pin a backup, with a reason; or unpin it."""
    backup = get_object_or_404(Backup.objects.select_related("instance"), label=label)
    backup.pinned = "unpin" not in request.POST
    reason = request.POST.get("reason", "").strip()[:200]
    if backup.pinned and not reason:
        messages.error(request, "Nothing was changed: enter a reason for the pin.")
        return redirect("backup-detail", label)
    backup.pinned_reason = reason if backup.pinned else ""
    backup.save(update_fields=["pinned", "pinned_reason"])
    verb = Verb.PINNED if backup.pinned else Verb.UNPINNED
    record(verb, backup, details={"reason": reason} if reason else None)
    messages.success(request, "Pinned." if backup.pinned else "No longer pinned.")
    return redirect("backup-detail", label)


@require_POST
@needs(Role.OPERATOR)
def copy_purge(request: HttpRequest, label: str, copy: int) -> HttpResponse:
    """Request the purge of a copy, once its label was entered."""
    copies = BackupCopy.objects.select_related("backup__instance", "repository")
    row = get_object_or_404(copies.exclude(status=CopyStatus.PURGED), pk=copy, backup__label=label)
    if not name_confirmed(request, label):
        return redirect("backup-detail", label)
    # Only an admin may purge the last restorable backup; without force it is refused.
    forced = "force" in request.POST and has_role(request.user, Role.ADMIN)
    parameters = PurgeParameters("purged on its page", force=forced)
    with refusals_shown(request):
        job = create_copy_job(
            Operation.PURGE, row, requested_by=requesting_user(request), parameters=parameters
        )
        return redirect("job-detail", job.pk)
    return redirect("backup-detail", label)
