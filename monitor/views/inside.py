"""Look inside a backup: schemas, tables, one table; and compare it with another one."""

from __future__ import annotations

from collections.abc import Callable

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from backups.admin.places import place_to_wait
from backups.catalog.comparison import HOWS
from backups.exceptions import BadInput, MooringError
from backups.models import Backup
from monitor.access.roles import Role, needs
from monitor.selectors.backup import first_stored_copy
from monitor.selectors.compared import (
    chosen_of,
    comparable_with,
    rows_compared,
    view_comparison,
)
from monitor.selectors.inside import TableRow, find_row, load_inside
from monitor.selectors.stored_table import load_comparison, load_stored_table


@require_safe
@needs(Role.VIEWER)
def backup_inside(request: HttpRequest, label: str) -> HttpResponse:
    """Show the schemas of a backup, the tables of one or of a search, or one table."""
    backup = _backup(label)
    if request.GET.get("table"):
        return _one_table(request, backup)
    context = {"backup": backup, "view": load_inside(backup, request.GET)}
    return render(request, "monitor/inside.html", context)


def _one_table(request: HttpRequest, backup: Backup) -> HttpResponse:
    """Show one table; what the repository says of it is loaded after the page."""
    context = {
        "backup": backup,
        "row": _row(request, backup),
        "stored": first_stored_copy(backup),
        "query": request.GET.urlencode(),
    }
    return render(request, "monitor/inside_table.html", context)


@require_safe
@needs(Role.OPERATOR)
def backup_inside_stored(request: HttpRequest, label: str) -> HttpResponse:
    """Render files and definition of one table, read from the repository."""
    backup = _backup(label)
    if not request.GET.get("table"):
        return _problem(request, BadInput("no table is named"))
    table = _row(request, backup).table
    return _read(
        request,
        "monitor/partials/inside_stored.html",
        lambda: {"view": load_stored_table(label, table.schema, table.name)},
    )


@require_safe
@needs(Role.OPERATOR)
def backup_compare(request: HttpRequest, label: str) -> HttpResponse:
    """Choose the other backup; the comparison is loaded after the page."""
    backup = _backup(label)
    choices = comparable_with(backup)
    context = {
        "backup": backup,
        "choices": choices,
        "other": chosen_of(backup, choices, request.GET.get("with", "")),
        "hows": HOWS,
        "query": request.GET.urlencode(),
    }
    return render(request, "monitor/compare.html", context)


@require_safe
@needs(Role.OPERATOR)
def backup_compare_tables(request: HttpRequest, label: str) -> HttpResponse:
    """Render the comparison of two backups of one instance, the older one first."""
    backup = _backup(label)
    other = chosen_of(backup, comparable_with(backup), request.GET.get("with", ""))
    if other is None:
        return _problem(request, BadInput("there is no such backup to compare with"))
    before, after = sorted((backup, other), key=lambda each: each.ended_at)
    return _read(
        request,
        "monitor/partials/compare_tables.html",
        lambda: {
            "view": view_comparison(
                load_comparison(before.label, after.label),
                request.GET,
                rows_compared(before, after),
            ),
            "before": before,
            "after": after,
            "label": label,
            "other": other,
        },
    )


def _backup(label: str) -> Backup:
    return get_object_or_404(Backup.objects.select_related("instance"), label=label)


def _row(request: HttpRequest, backup: Backup) -> TableRow:
    row = find_row(backup, request.GET.get("schema", ""), request.GET.get("table", ""))
    if row is None:
        raise Http404("no such table")
    return row


def _read(
    request: HttpRequest, template: str, load: Callable[[], dict[str, object]]
) -> HttpResponse:
    """Render what is read from a repository, or why it cannot be."""
    try:
        with place_to_wait():
            context = load()
    except MooringError as exc:
        return _problem(request, exc)
    return render(request, template, context)


def _problem(request: HttpRequest, problem: MooringError) -> HttpResponse:
    return render(request, "monitor/partials/not_read.html", {"problem": problem})
