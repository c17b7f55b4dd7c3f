"""Rows of one table of two backups side by side, for admins: open both, compare, close both."""

from __future__ import annotations

import shlex
from functools import partial

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from backups.admin.places import place_to_wait
from backups.catalog.copies import copy_to_read
from backups.exceptions import BadInput, MooringError
from backups.models import Backup, TableOpening
from backups.opened_tables.compared_rows import compare_rows, remember
from backups.opened_tables.rows import MOST_SECONDS
from backups.opened_tables.session import connect, request_close, request_openings
from backups.table_names.names import TableName, named_table
from monitor.access.roles import Role, needs
from monitor.selectors.compared import comparable_with
from monitor.selectors.different_rows import view_differences
from monitor.views.requests import refusals_shown, requesting_user


@require_POST
@needs(Role.ADMIN)
def compare_open(request: HttpRequest, label: str) -> HttpResponse:
    """Have private servers started on one table of two backups; who did is recorded."""
    backup = get_object_or_404(Backup, label=label)
    with refusals_shown(request):
        table = named_table(request.POST.get("schema", ""), request.POST.get("table", ""))
        other = _other(backup, request.POST.get("with", ""))
        before, after = sorted((backup, other), key=lambda each: each.ended_at)
        openings = request_openings(
            [copy_to_read(before.label), copy_to_read(after.label)],
            table,
            requested_by=requesting_user(request).username,
        )
        return redirect("opening-compare", *(opening.pk for opening in openings))
    return redirect("backup-compare", label)


def _other(backup: Backup, label: str) -> Backup:
    for each in comparable_with(backup):
        if each.label == label:
            return each
    raise BadInput("there is no such backup to compare with")


@require_safe
@needs(Role.ADMIN)
def opening_compare(request: HttpRequest, opening: int, other: int) -> HttpResponse:
    """Show what happens to both openings; the rows are compared after the page."""
    before, after = _own_pair(request, opening, other)
    context = {"before": before, "after": after, "pair": (before, after)}
    context["over"] = next((row for row in (before, after) if _is_over(row)), None)
    context["is_open"] = before.is_open and after.is_open
    return render(request, "monitor/compared_rows.html", context)


@require_safe
@needs(Role.ADMIN)
def opening_compare_live(request: HttpRequest, opening: int, other: int) -> HttpResponse:
    """Say how far both openings are; once they are, load the page again."""
    pair = _own_pair(request, opening, other)
    if all(row.is_open for row in pair) or any(map(_is_over, pair)):
        return HttpResponseClientRefresh()
    context = {"before": pair[0], "after": pair[1], "pair": pair}
    return render(request, "monitor/partials/compared_live.html", context)


@require_safe
@needs(Role.ADMIN)
def opening_compare_rows(request: HttpRequest, opening: int, other: int) -> HttpResponse:
    """Compare the rows of two open tables, for as long as a page may take."""
    before, after = _own_pair(request, opening, other)
    table = TableName(before.schema, before.name)
    try:
        with place_to_wait():
            found = compare_rows(
                partial(connect, before), partial(connect, after), table, seconds=MOST_SECONDS
            )
    except MooringError as exc:
        return render(request, "monitor/partials/rows_not_compared.html", {"problem": exc})
    remember(found, before.copy.backup, after.copy.backup, table)
    context = {
        "view": view_differences(found),
        "old": before.copy.backup,
        "new": after.copy.backup,
        "table": shlex.quote(f"{before.schema}.{before.name}"),
    }
    return render(request, "monitor/partials/compared_rows.html", context)


@require_POST
@needs(Role.ADMIN)
def opening_compare_close(request: HttpRequest, opening: int, other: int) -> HttpResponse:
    before, after = _own_pair(request, opening, other)
    for row in (before, after):
        request_close(row)
    address = reverse("backup-compare", args=[after.copy.backup.label])
    return HttpResponseRedirect(f"{address}?{urlencode({'with': before.copy.backup.label})}")


def _is_over(row: TableOpening) -> bool:
    return row.closed_at is not None or row.close_requested


def _own_pair(request: HttpRequest, opening: int, other: int) -> tuple[TableOpening, TableOpening]:
    """Return two openings of this admin, of the same table of two backups of one instance."""
    rows = TableOpening.objects.select_related("copy__backup__instance")
    own = rows.filter(requested_by=requesting_user(request).username)
    before, after = (get_object_or_404(own, pk=pk) for pk in (opening, other))
    backups = [row.copy.backup for row in (before, after)]
    same = (before.schema, before.name) == (after.schema, after.name)
    if not same or backups[0] == backups[1] or backups[0].instance != backups[1].instance:
        raise Http404("they are not of one table of two backups")
    return before, after
