"""Adding and changing a schedule, with a preview."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import get_current_timezone_name, now
from django.views.decorators.http import require_http_methods, require_POST

from backups.activity import record
from backups.models import BackupSchedule
from backups.models.activity import Verb
from monitor.access.roles import Role, needs
from monitor.forms.presets import PRESETS, PROOF_PRESETS, Preset, preset_named
from monitor.forms.schedule import ScheduleForm
from monitor.selectors.retention import needs_confirmation, what_if
from monitor.selectors.schedule import Preview, build_preview, draft_coverage

FORM_METHODS = ["GET", "HEAD", "POST"]


@require_http_methods(FORM_METHODS)
@needs(Role.ADMIN)
def schedule_add(request: HttpRequest) -> HttpResponse:
    chosen = preset_named(request.GET.get("preset", ""))
    draft = BackupSchedule(time_zone=get_current_timezone_name(), **chosen.columns)
    return _edit(request, draft, chosen)


@require_http_methods(FORM_METHODS)
@needs(Role.ADMIN)
def schedule_edit(request: HttpRequest, name: str) -> HttpResponse:
    return _edit(request, get_object_or_404(BackupSchedule, name=name))


@require_POST
@needs(Role.ADMIN)
def schedule_preview(request: HttpRequest) -> HttpResponse:
    """Render a preview of the entered schedule; nothing is saved."""
    old = BackupSchedule.objects.filter(name=request.POST.get("being_edited", "")).first()
    form = ScheduleForm(request.POST, instance=old or BackupSchedule())
    context = {"preview": _preview(form), "what_if": what_if(form.instance, now())}
    return render(request, "monitor/partials/schedule_preview.html", context)


def _edit(
    request: HttpRequest, schedule: BackupSchedule, preset: Preset | None = None
) -> HttpResponse:
    # Validation changes the row: the page needs its present name.
    name, new = schedule.name, schedule.pk is None
    posted = request.method == "POST"
    form = ScheduleForm(request.POST if posted else None, instance=schedule)
    wants_preview = "preview" in request.POST
    valid = posted and not wants_preview and form.is_valid()
    changes = what_if(form.instance, now()) if valid else None
    must_confirm = needs_confirmation(request, changes)
    if valid and not must_confirm:
        saved = form.store()
        changed = {"changed": form.changed_data}
        record(Verb.ADDED if new else Verb.CHANGED, saved, details=changed)
        messages.success(request, f"Schedule {saved.name} was saved.")
        return redirect("schedule-detail", saved.name)
    context = {
        "form": form,
        "name": name,
        "preview": _preview(form),
        "presets": (*PRESETS, *PROOF_PRESETS) if new else (),
        "preset": preset,
        "must_confirm": must_confirm,
        "what_if": what_if(form.instance, now()),
    }
    failed = posted and not wants_preview
    return render(request, "monitor/schedule_form.html", context, status=422 if failed else 200)


def _preview(form: ScheduleForm) -> Preview:
    bound = form if form.is_bound else ScheduleForm(_as_posted(form), instance=form.instance)
    bound.is_valid()
    given = bound.cleaned_data
    covered = draft_coverage(
        every=given.get("covers_all", False),
        groups=list(given.get("groups") or ()),
        tags=list(given.get("tags") or ()),
        instances=given.get("instances") or [],
    )
    enabled = given.get("enabled", False)
    return build_preview(
        bound.rhythm(),
        form.instance.get_operation_display() if form.instance.proves else given.get("kind", ""),
        covered,
        after=given.get("after"),
        window=given.get("window"),
        own=form.instance.pk,
        enabled=enabled,
        proves=form.instance.proves,
        now=now(),
    )


def _as_posted(form: ScheduleForm) -> dict[str, object]:
    """Return what a browser would send for an unchanged form."""
    return {bound.html_name: bound.value() for bound in form}
