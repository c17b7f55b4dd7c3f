"""The restore wizard: choose a backup and a target, check the plan, start the job."""

from __future__ import annotations

from socket import gethostname
from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from backups.admin.places import place_to_wait
from backups.jobs.request import create_restore_job
from backups.models import BackupCopy, Instance
from backups.restores.marked import marks_of
from backups.restores.plan import plan_restore
from backups.restores.target import restored_size
from monitor.access.roles import Role, has_role, needs
from monitor.confirmations import name_confirmed
from monitor.forms.replay_place import REPLAY_FIELDS
from monitor.forms.restore import RestoreForm
from monitor.selectors.kept import load_kept_folders
from monitor.selectors.proof import UNPROVEN, load_proofs
from monitor.selectors.restore import (
    copies_to_restore,
    find_instances,
    load_candidates,
    read_copies,
)
from monitor.views.requests import refusals_shown, requesting_user

FIELDS = ("target", "owner", "mysqld", "raw", "no_start", *REPLAY_FIELDS, "replay_by")


@require_safe
@needs(Role.OPERATOR)
def restore_wizard(request: HttpRequest) -> HttpResponse:
    """Render the step of the query string. Nothing is changed before the last one."""
    if "copy" in request.GET:
        return _plan(request, _requested_copy(request.GET))
    if label := request.GET.get("backup", ""):
        copy = copies_to_restore().filter(backup__label=label).order_by("id").first()
        if copy is None:
            raise Http404("this backup has no stored copy")
        return redirect(_address(copy=copy.pk))
    return _choose(request)


@require_POST
@needs(Role.OPERATOR)
def restore_start(request: HttpRequest) -> HttpResponse:
    """Request the planned restore; its worker repeats all checks."""
    copy = _requested_copy(request.POST)
    form = _form(request, request.POST, copy)
    if form.is_valid() and name_confirmed(request, form.cleaned_data["target"]):
        wish = form.planned_restore()
        with refusals_shown(request):
            job = create_restore_job(
                copy,
                wish.target,
                raw=wish.raw,
                no_start=wish.no_start,
                owner=wish.owner,
                mysqld=wish.mysqld,
                replay=wish.goal.as_parameters() if wish.goal else None,
                replay_by=wish.replay_by,
                requested_by=requesting_user(request),
            )
            return redirect("job-detail", job.pk)
    asked = {name: request.POST[name] for name in FIELDS if request.POST.get(name)}
    return HttpResponseRedirect(_address(copy=copy.pk, **asked))


def _choose(request: HttpRequest) -> HttpResponse:
    name = request.GET.get("instance", "").strip()
    context: dict[str, object] = {"step": 1, "asked": name, "kept": load_kept_folders()}
    instance = Instance.objects.filter(name=name).first()
    if instance is None:
        context["instances"] = find_instances(name)
    else:
        context["candidates"] = load_candidates(instance, request.GET.get("page"))
    return render(request, "monitor/restore.html", context | {"instance": instance})


def _plan(request: HttpRequest, copy: BackupCopy) -> HttpResponse:
    asked = "target" in request.GET
    form = _form(request, request.GET if asked else None, copy)
    context: dict[str, object] = {
        "copy": copy,
        "backup": copy.backup,
        "instance": copy.backup.instance,
        "others": copies_to_restore().filter(backup=copy.backup).exclude(pk=copy.pk),
        "proof": load_proofs([copy.backup_id]).get(copy.backup_id, UNPROVEN),
        "reads": read_copies(copy),
        "mark": marks_of([copy]).get(copy.pk),
        "restored_bytes": restored_size(copy.backup),
        "form": form,
        "step": 2,
    }
    if asked and form.is_valid():
        with refusals_shown(request), place_to_wait():
            plan = plan_restore(form.planned_restore(), settings.MYSQLD)
            context |= {"plan": plan, "step": 3, "host": gethostname(), "hidden": _hidden(form)}
    return render(request, "monitor/restore.html", context)


def _form(request: HttpRequest, asked: QueryDict | None, copy: BackupCopy) -> RestoreForm:
    return RestoreForm(asked, copy=copy, any_program=has_role(request.user, Role.ADMIN))


def _hidden(form: RestoreForm) -> list[tuple[str, object]]:
    """Return the planned values as hidden fields."""
    return [(name, form.cleaned_data[name]) for name in FIELDS if form.cleaned_data.get(name)]


def _requested_copy(asked: QueryDict) -> BackupCopy:
    number = asked.get("copy", "")
    # A longer number is not a valid id: the database would reject it.
    if not (number.isascii() and number.isdigit() and len(number) <= 18):
        raise Http404("copy is not a copy number")
    return get_object_or_404(copies_to_restore(), pk=int(number))


def _address(**words: object) -> str:
    return f"{reverse('restore-wizard')}?{urlencode(words)}"
