"""Rows of one table of a backup, for admins: open it, look at it, close it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from backups.catalog.copies import copy_to_read
from backups.exceptions import MooringError
from backups.models import Backup, TableOpening
from backups.opened_tables.columns import key_of
from backups.opened_tables.rows import RowChoice
from backups.opened_tables.session import look, request_close, request_openings
from backups.table_names.names import named_table
from monitor.access.roles import Role, needs
from monitor.forms.row_choice import LIMITS, RowChoiceForm
from monitor.views.requests import refusals_shown, requesting_user


@require_POST
@needs(Role.ADMIN)
def table_open(request: HttpRequest, label: str) -> HttpResponse:
    """Have a private server started on one table; who did is recorded."""
    backup = get_object_or_404(Backup, label=label)
    with refusals_shown(request):
        table = named_table(request.POST.get("schema", ""), request.POST.get("table", ""))
        (opening,) = request_openings(
            [copy_to_read(backup.label)], table, requested_by=requesting_user(request).username
        )
        return redirect("opening-detail", opening.pk)
    return redirect("backup-inside", label)


@require_safe
@needs(Role.ADMIN)
def opening_detail(request: HttpRequest, opening: int) -> HttpResponse:
    """Show rows of a table that is open, else what happens to it."""
    row = _own(request, opening)
    context: dict[str, object] = {"opening": row}
    if row.is_open:
        context |= _rows(request, row)
    return render(request, "monitor/opening.html", context)


def _rows(request: HttpRequest, row: TableOpening) -> dict[str, object]:
    """Read the requested rows; the key's columns are known only from the server."""
    try:
        found = look(row, RowChoice(limit=LIMITS[0]))
        form = RowChoiceForm(request.GET or None, [each.name for each in key_of(found.columns)])
        if request.GET and form.is_valid():
            found = look(row, form.choice())
    except MooringError as exc:
        return {"problem": exc}
    return {"found": found, "form": form}


@require_safe
@needs(Role.ADMIN)
def opening_live(request: HttpRequest, opening: int) -> HttpResponse:
    """Say how far the opening is; once it is over, load the page again."""
    row = _own(request, opening)
    if row.opened_at is not None or row.closed_at is not None:
        return HttpResponseClientRefresh()
    return render(request, "monitor/partials/opening_live.html", {"opening": row})


@require_POST
@needs(Role.ADMIN)
def opening_close(request: HttpRequest, opening: int) -> HttpResponse:
    row = _own(request, opening)
    request_close(row)
    query = urlencode({"schema": row.schema, "table": row.name})
    address = reverse("backup-inside", args=[row.copy.backup.label])
    return HttpResponseRedirect(f"{address}?{query}")


def _own(request: HttpRequest, opening: int) -> TableOpening:
    """Return an opening of this admin: each one's looking is recorded under their own name."""
    rows = TableOpening.objects.select_related("copy__backup__instance")
    return get_object_or_404(rows, pk=opening, requested_by=requesting_user(request).username)
