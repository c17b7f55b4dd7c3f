"""One backup: its page, its contents, verify, restore test and consolidation."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_POST, require_safe

from backups.jobs.consolidation import create_consolidate_job
from backups.jobs.request import create_copy_job
from backups.models import Backup, BackupCopy
from backups.parameters import Parameters, VerifyParameters
from backups.restores.drills import WantedTest, create_restore_test_job
from backups.states import CopyStatus, DrillPoint, Operation
from monitor.access.roles import Role, needs
from monitor.selectors.backup import backups_for_pages, first_stored_copy, load_backup
from monitor.selectors.changes import load_changes
from monitor.selectors.contents import view_contents
from monitor.views.requests import refusals_shown, requesting_user


@require_safe
@needs(Role.VIEWER)
def backup_detail(request: HttpRequest, label: str) -> HttpResponse:
    backup = get_object_or_404(backups_for_pages(), label=label)
    return render(request, "monitor/backup_detail.html", {"view": load_backup(backup, now())})


@require_safe
@needs(Role.VIEWER)
def backup_contents(request: HttpRequest, label: str) -> HttpResponse:
    """Render the contents by table; they can be many, so they are loaded after the page."""
    copy = first_stored_copy(get_object_or_404(Backup, label=label))
    if copy is None:
        raise Http404("no stored copy")
    view = view_contents(copy.backup, request.GET)
    context: dict[str, object] = {"copy": copy, "view": view}
    if view is not None and not request.GET:
        # A filter replaces the list of tables only.
        context["changes"] = load_changes(copy.backup, view.contents)
    return render(request, "monitor/partials/backup_contents.html", context)


@require_POST
@needs(Role.OPERATOR)
def copy_verify(request: HttpRequest, label: str, copy: int) -> HttpResponse:
    asked = VerifyParameters(pages="pages" in request.POST)
    return _create(request, Operation.VERIFY, label, copy, asked)


@require_POST
@needs(Role.OPERATOR)
def copy_restore_test(request: HttpRequest, label: str, copy: int) -> HttpResponse:
    """Request a restore test; to a moment, if one is selected."""
    stored = _stored_copy(label, copy)
    asked = request.POST.get("point", "")
    point = DrillPoint(asked) if asked in DrillPoint.values else DrillPoint.BACKUP
    with refusals_shown(request):
        job = create_restore_test_job(
            WantedTest(stored.backup.instance, point, stored),
            requested_by=requesting_user(request),
        )
        return redirect("job-detail", job.pk)
    return redirect("backup-detail", label)


@require_POST
@needs(Role.OPERATOR)
def copy_consolidate(request: HttpRequest, label: str, copy: int) -> HttpResponse:
    stored = _stored_copy(label, copy)
    with refusals_shown(request):
        job = create_consolidate_job(stored, requested_by=requesting_user(request))
        return redirect("job-detail", job.pk)
    return redirect("backup-detail", label)


def _stored_copy(label: str, copy: int) -> BackupCopy:
    copies = BackupCopy.objects.select_related("backup__instance", "repository")
    stored = copies.filter(status=CopyStatus.STORED)
    return get_object_or_404(stored, pk=copy, backup__label=label)


def _create(
    request: HttpRequest, operation: Operation, label: str, copy_id: int, parameters: Parameters
) -> HttpResponse:
    copy = _stored_copy(label, copy_id)
    with refusals_shown(request):
        job = create_copy_job(
            operation, copy, requested_by=requesting_user(request), parameters=parameters
        )
        return redirect("job-detail", job.pk)
    return redirect("backup-detail", label)
