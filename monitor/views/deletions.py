"""The page of deletions, and the button that undoes one."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.timezone import localtime, now
from django.views.decorators.http import require_POST, require_safe

from backups.models import BackupCopy
from backups.retention.marks import keep_backup
from monitor.access.roles import Role, needs
from monitor.selectors.deletions import DeletionFilters, load_deletions
from monitor.views.requests import redirect_back, refusals_shown

LONGEST_FILTER = 64


@require_safe
@needs(Role.VIEWER)
def deletions(request: HttpRequest) -> HttpResponse:
    names = ("status", "instance", "repository")
    filters = DeletionFilters(**{n: request.GET.get(n, "")[:LONGEST_FILTER] for n in names})
    view = load_deletions(filters, request.GET.get("page"))
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
