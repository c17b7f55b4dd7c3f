"""The page of deletions, and the button that undoes one."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.timezone import localtime, now
from django.views.decorators.http import require_POST, require_safe

from backups.models import Approval, BackupCopy
from backups.retention.marks import keep_backup
from backups.retention.second_admin import confirm_approval, reject_approval
from monitor.access.roles import Role, needs
from monitor.selectors.deletions import DeletionFilters, load_deletions
from monitor.views.requests import redirect_back, refusals_shown, requesting_user

LONGEST_FILTER = 64


@require_POST
@needs(Role.ADMIN)
def approval_decide(request: HttpRequest, approval: int) -> HttpResponse:
    """Confirm a request of another person, or reject one."""
    row = get_object_or_404(Approval.objects.select_related("repository"), pk=approval)
    admin = requesting_user(request)
    with refusals_shown(request):
        if "confirm" in request.POST:
            job = confirm_approval(row, admin, now())
            messages.success(request, f"Confirmed: {row}.")
            if job is not None:
                return redirect("job-detail", job.pk)
        elif "reject" in request.POST:
            reject_approval(row, admin, now())
            messages.success(request, f"Rejected: {row}.")
    return redirect("deletions")


@require_safe
@needs(Role.VIEWER)
def deletions(request: HttpRequest) -> HttpResponse:
    names = ("status", "instance", "repository")
    filters = DeletionFilters(**{n: request.GET.get(n, "")[:LONGEST_FILTER] for n in names})
    reader = request.user.get_username()
    view = load_deletions(filters, request.GET.get("page"), reader, now())
    return render(request, "monitor/deletions.html", {"view": view})


@require_POST
@needs(Role.OPERATOR)
def copy_keep(request: HttpRequest, label: str, copy: int) -> HttpResponse:
    """Undo the deletion of a marked copy."""
    copies = BackupCopy.objects.select_related("backup__instance", "repository")
    row = get_object_or_404(copies, pk=copy, backup__label=label)
    with refusals_shown(request):
        until = keep_backup(
            row.backup,
            reason=request.POST.get("reason", ""),
            now=now(),
            repository=row.repository,
        )
        messages.success(
            request,
            f"The deletion of {label} is undone. It is held until "
            f"{localtime(until):%-d %b %Y %H:%M}: then its retention applies again.",
        )
    return redirect_back(request, reverse("backup-detail", args=[label]))
