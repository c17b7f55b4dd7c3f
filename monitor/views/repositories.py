"""Repositories: the list, and the page of one."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.timezone import localtime, now
from django.views.decorators.http import require_safe

from backups.models import Repository
from backups.units import format_bytes
from monitor.access.roles import Role, needs
from monitor.charts.repository import growth_figure
from monitor.selectors.costs import repository_cost
from monitor.selectors.repository import RepositoryView, Space, list_overviews, load_repository
from monitor.selectors.spread import load_spread
from monitor.templatetags.units import UNKNOWN, age_in_words


@require_safe
@needs(Role.VIEWER)
def repositories(request: HttpRequest) -> HttpResponse:
    return render(request, "monitor/repositories.html", {"overviews": list_overviews(now())})


@require_safe
@needs(Role.VIEWER)
def repository_detail(request: HttpRequest, name: str) -> HttpResponse:
    repository = get_object_or_404(Repository, name=name)
    view = load_repository(repository, now(), request.GET.get("page"))
    context: dict[str, object] = {
        "repository": repository,
        "view": view,
        "figure": growth_figure(view.days),
    }
    stored_bytes = view.overview.row.stored_bytes + (view.overview.space.binlog_bytes or 0)
    context["cost"] = repository_cost(repository, stored_bytes, view.daily_growth, now())
    return render(request, "monitor/repository_detail.html", context | _notes(view))


@require_safe
@needs(Role.VIEWER)
def spread(request: HttpRequest) -> HttpResponse:
    view = load_spread(request.GET.get("page"), now())
    return render(request, "monitor/spread.html", {"view": view})


def _notes(view: RepositoryView) -> dict[str, object]:
    """Return the notes below the figures."""
    space, proven = view.overview.space, view.overview.proven
    growth = view.daily_growth
    grows = f"grows by {format_bytes(growth)} per day" if growth and growth > 0 else ""
    binlogs = f"and {format_bytes(space.binlog_bytes)} of binlogs" if space.binlog_bytes else ""
    return {
        "stored_note": "; ".join(filter(None, (binlogs, grows))),
        "free_note": f"of {format_bytes(space.total_bytes)}" if space.total_bytes else "",
        "full_by": _full_by(space),
        "failed_note": f"{proven.failed} of them damaged" if proven.failed else "",
        "failed_tone": "bad" if proven.failed else "",
        "verify_note": f"last {_age_of(proven.last_verify)}",
    }


def _full_by(space: Space) -> str:
    if space.full_at:
        return _date_of(space.full_at)
    return "not in sight" if space.never_full else UNKNOWN


def _date_of(at: datetime) -> str:
    """Return a future date, as exact as a forecast can be."""
    soon = at - now() < timedelta(days=300)
    return f"{localtime(at):%-d %b}" if soon else f"{localtime(at):%b %Y}"


def _age_of(at: datetime | None) -> str:
    return age_in_words(now() - at) if at else "never"
