"""Copies of a backup that were to be made and are missing: give one up."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from backups.models import WantedCopy
from backups.transitions.wanted_copies import drop_wanted
from monitor.access.roles import Role, needs
from monitor.views.requests import refusals_shown


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
