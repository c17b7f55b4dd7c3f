"""Silences: list, add, change and end them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import get_current_timezone_name, localtime, now
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from alerts.models import Silence
from alerts.rules import RULES
from backups.activity import record
from backups.models import BackupSchedule
from backups.models.activity import Verb
from backups.schedule import Rhythm
from monitor.access.roles import Role, needs
from monitor.forms.silence import SilenceForm
from monitor.selectors.channels import is_anybody_notified
from monitor.selectors.silences import SilenceTime, load_silence_list, next_times
from monitor.views.channels import FORM_METHODS
from monitor.views.requests import requesting_user

# The preset length of a silence.
DEFAULT_LENGTH = timedelta(hours=2)


@require_safe
@needs(Role.VIEWER)
def silences(request: HttpRequest) -> HttpResponse:
    query = request.GET
    listed = load_silence_list(query.get("state", ""), query.get("page"), now())
    return render(
        request,
        "monitor/silences.html",
        {"silences": listed, "is_anybody_notified": is_anybody_notified},
    )


@require_http_methods(FORM_METHODS)
@needs(Role.OPERATOR)
def silence_add(request: HttpRequest) -> HttpResponse:
    at = now().replace(second=0, microsecond=0)
    draft = Silence(
        starts_at=at, ends_at=at + DEFAULT_LENGTH, time_zone=get_current_timezone_name(),
        created_by=requesting_user(request),
    )  # fmt: skip
    return _edit(request, draft, _from_here(request))


@require_http_methods(FORM_METHODS)
@needs(Role.OPERATOR)
def silence_edit(request: HttpRequest, silence: int) -> HttpResponse:
    return _edit(request, get_object_or_404(Silence, pk=silence), {})


@require_POST
@needs(Role.OPERATOR)
def silence_preview(request: HttpRequest) -> HttpResponse:
    """Render the next times of the entered recurring silence."""
    form = SilenceForm(request.POST)
    context = {"times": _times(form), "recurs": bool(request.POST.get("cron"))}
    return render(request, "monitor/partials/silence_preview.html", context)


@require_POST
@needs(Role.OPERATOR)
def silence_end(request: HttpRequest, silence: int) -> HttpResponse:
    """End a silence now; one that has not started never will."""
    row, at = get_object_or_404(Silence, pk=silence), now()
    if row.ends_at is not None and row.ends_at <= at:
        messages.warning(request, "The silence had already ended.")
        return redirect("silences")
    row.ends_at = at
    row.save(update_fields=["ends_at"])
    record(Verb.ENDED, row)
    messages.success(request, "The silence was ended: notifications it held back are sent now.")
    return redirect("silences")


def _edit(request: HttpRequest, silence: Silence, initial: dict[str, Any]) -> HttpResponse:
    new, name = silence.pk is None, silence.comment
    posted = request.method == "POST"
    form = SilenceForm(request.POST if posted else None, instance=silence, initial=initial)
    wants_preview = "preview" in request.POST
    if posted and not wants_preview and form.is_valid():
        with transaction.atomic():
            saved = form.save()
        changed = {"changed": form.changed_data}
        record(Verb.ADDED if new else Verb.CHANGED, saved, details=changed)
        messages.success(request, "The silence was saved.")
        return redirect("silences")
    context = {
        "form": form, "name": name, "new": new, "silence": silence,
        "times": _times(form) if posted else _stored_times(silence),
        "recurs": bool(request.POST.get("cron")) if posted else bool(silence.cron),
    }  # fmt: skip
    status = 422 if posted and not wants_preview else 200
    return render(request, "monitor/silence_form.html", context, status=status)


def _times(form: SilenceForm) -> list[SilenceTime]:
    form.is_valid()
    given = form.cleaned_data
    ends = (given.get("starts_at"), given.get("ends_at"))
    return next_times(form.rhythm(), given.get("duration"), *ends, now())


def _stored_times(silence: Silence) -> list[SilenceTime]:
    rhythm = Rhythm(silence.cron, silence.time_zone, None, now()) if silence.cron else None
    return next_times(rhythm, silence.duration, silence.starts_at, silence.ends_at, now())


def _from_here(request: HttpRequest) -> dict[str, Any]:
    """Return the matchers that the page of an alert put into the query string."""
    initial: dict[str, Any] = {}
    if (rule := request.GET.get("rule", "")) in RULES:
        initial["rule"] = rule
    if names := request.GET.get("instances", "")[:2000]:
        initial["instances"] = names
    if name := request.GET.get("schedule", ""):
        initial["schedules"] = list(BackupSchedule.objects.filter(name=name))
    if initial:
        initial["comment"] = f"since {localtime(now()):%Y-%m-%d %H:%M}: "
    return initial
