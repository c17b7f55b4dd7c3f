"""The calendar: instances by days, and one day of one instance."""

from __future__ import annotations

from datetime import date

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.timezone import now
from django.views.decorators.http import require_safe

from backups.models import Instance
from monitor.access.roles import Role, needs
from monitor.forms.filters import CalendarFilter
from monitor.selectors.calendar import load_calendar, load_day


@require_safe
@needs(Role.VIEWER)
def calendar(request: HttpRequest) -> HttpResponse:
    form = CalendarFilter(request.GET)
    chosen = form.chosen()
    context = {
        "form": form,
        "filtered": any(chosen.values()),
        "calendar": load_calendar(chosen, request.GET.get("page"), now()),
    }
    return render(request, "monitor/calendar.html", context)


@require_safe
@needs(Role.VIEWER)
def calendar_day(request: HttpRequest, name: str, day: str) -> HttpResponse:
    instance = get_object_or_404(Instance, name=name)
    try:
        shown = date.fromisoformat(day)
    except ValueError:
        raise Http404(f"{day} is not a date") from None
    if not 2000 <= shown.year <= 2200:
        raise Http404(f"{day} is out of range")
    context = {"instance": instance, "day": shown, "view": load_day(instance, shown, now())}
    return render(request, "monitor/calendar_day.html", context)
