"""Copies of a backup in further repositories: make one, or give up one that is missing."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from backups.catalog.copies import source_for
from backups.exceptions import BadInput
from backups.jobs.copying import create_copying_job
from backups.models import Backup, Repository, WantedCopy
from backups.transitions.wanted_copies import drop_wanted
from monitor.access.roles import Role, needs
from monitor.views.requests import refusals_shown, requesting_user


@require_POST
@needs(Role.OPERATOR)
def backup_copy(request: HttpRequest, label: str) -> HttpResponse:
    """Request a copy in another repository, from a copy that is sound."""
    backup = get_object_or_404(Backup, label=label)
    with refusals_shown(request):
        target = Repository.objects.filter(name=request.POST.get("to", "")).first()
        if target is None:
            raise BadInput("no repository is chosen")
        source = source_for(backup, target)
        job = create_copying_job(source, target, requested_by=requesting_user(request))
        return redirect("job-detail", job.pk)
    return redirect("backup-detail", label)


@require_POST
@needs(Role.OPERATOR)
def missing_copy_give_up(request: HttpRequest, label: str, wanted: int) -> HttpResponse:
    """Say that a copy is no longer wanted, with a reason."""
    rows = WantedCopy.objects.select_related("backup", "repository")
    row = get_object_or_404(rows, pk=wanted, backup__label=label)
    with refusals_shown(request):
        drop_wanted(row, request.POST.get("reason", ""))
        messages.success(request, f"The copy in {row.repository.name} is no longer wanted.")
    return redirect("backup-detail", label)
