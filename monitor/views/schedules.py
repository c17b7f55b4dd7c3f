"""Schedules: the list, and the page of one with pause, resume and start."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_POST, require_safe

from backups.activity import record
from backups.exceptions import MooringError
from backups.jobs.destinations import destinations_of
from backups.jobs.request import create_backup_job
from backups.models import BackupSchedule, Instance
from backups.models.activity import Verb
from backups.models.catalog import Origin
from backups.pacing.entered import describe_own
from backups.schedules.coverage import covered_instances
from backups.schedules.pauses import resume_schedule
from backups.schedules.proof_jobs import create_proof_job
from backups.states import Operation
from backups.table_names.choice import read_choice
from monitor.access.roles import Role, needs
from monitor.forms.schedule import PauseForm
from monitor.selectors.hooks import load_hooks_of_schedule
from monitor.selectors.schedule import (
    copied_to_in_words,
    load_schedule,
    retention_in_words,
)
from monitor.selectors.schedules import load_schedules
from monitor.views.requests import refusals_shown, requesting_user
from monitor.wording.proofs import proof_in_words

MOST_REFUSALS = 3


@require_safe
@needs(Role.VIEWER)
def schedules(request: HttpRequest) -> HttpResponse:
    context = {"schedules": load_schedules(request.GET, now())}
    return render(request, "monitor/schedules.html", context)


@require_safe
@needs(Role.VIEWER)
def schedule_detail(request: HttpRequest, name: str) -> HttpResponse:
    return _page(request, name, PauseForm())


@require_POST
@needs(Role.OPERATOR)
def schedule_pause(request: HttpRequest, name: str) -> HttpResponse:
    """Pause a schedule, with a reason, until a time or until it is resumed."""
    schedule = get_object_or_404(BackupSchedule, name=name)
    form = PauseForm(request.POST)
    if not form.is_valid():
        return _page(request, name, form, status=422)
    with refusals_shown(request):
        form.store(schedule, requesting_user(request))
        record(Verb.PAUSED, schedule, details={"reason": schedule.paused_reason})
        messages.success(request, f"{schedule.name} is paused: no run of it starts.")
    return redirect("schedule-detail", name)


@require_POST
@needs(Role.OPERATOR)
def schedule_resume(request: HttpRequest, name: str) -> HttpResponse:
    schedule = get_object_or_404(BackupSchedule, name=name)
    resume_schedule(schedule, now=now())
    record(Verb.RESUMED, schedule)
    messages.success(request, f"{schedule.name} is resumed: due runs start within seconds.")
    return redirect("schedule-detail", name)


@require_POST
@needs(Role.OPERATOR)
def schedule_start(request: HttpRequest, name: str) -> HttpResponse:
    """Start the backups, verifies or restore tests of all its instances now."""
    schedule = get_object_or_404(BackupSchedule, name=name)
    if schedule.origin == Origin.OBSERVED:
        messages.error(request, "This schedule is observed: start the backup with its own tool.")
        return redirect("schedule-detail", name)
    started, refused = _start_all(request, schedule)
    record(Verb.STARTED, schedule, details={"jobs": started})
    noun = schedule.get_operation_display().lower()
    plural = "verifies" if schedule.operation == Operation.VERIFY else f"{noun}s"
    text = f"{started} {noun if started == 1 else plural} requested."
    if refused:
        more = f" and {len(refused) - MOST_REFUSALS} more" if len(refused) > MOST_REFUSALS else ""
        text += f" Refused: {'; '.join(refused[:MOST_REFUSALS])}{more}."
    (messages.warning if refused or not started else messages.success)(request, text)
    return redirect("schedule-detail", name)


def _start_all(request: HttpRequest, schedule: BackupSchedule) -> tuple[int, list[str]]:
    started = 0
    refused: list[str] = []
    for instance in covered_instances(schedule):
        try:
            _start(request, schedule, instance)
            started += 1
        except MooringError as exc:
            refused.append(str(exc))
    return started, refused


def _start(request: HttpRequest, schedule: BackupSchedule, instance: Instance) -> None:
    if schedule.proves:
        create_proof_job(schedule, instance, requested_by=requesting_user(request))
        return
    create_backup_job(
        instance,
        kind=schedule.kind,
        repositories=destinations_of(schedule),
        choice=read_choice(schedule.options),
        requested_by=requesting_user(request),
    )


def _page(request: HttpRequest, name: str, form: PauseForm, status: int = 200) -> HttpResponse:
    view = load_schedule(name, request.GET, now())
    if view is None:
        raise Http404(f"no schedule is named {name}")
    context = {
        "view": view,
        "schedule": view.row.schedule,
        "retention": retention_in_words(view.row.schedule),
        "proof": proof_in_words(view.row.schedule),
        "pace": describe_own(view.row.schedule),
        "copied_to": copied_to_in_words(view.row.schedule),
        "hooks": load_hooks_of_schedule(view.row.schedule.name),
        "pause_form": form,
    }
    return render(request, "monitor/schedule_detail.html", context, status=status)
