"""Going on with the folder that a restore has left, and removing it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from backups.exceptions import Refused
from backups.jobs.continuing import continue_restore, give_up, kept_folder
from backups.models import Job, KeptRestore
from backups.parameters import RestoreParameters
from monitor.access.roles import Role, has_role, needs
from monitor.confirmations import name_confirmed
from monitor.forms.replay_place import ContinueForm
from monitor.selectors.kept import load_kept_folder
from monitor.views.requests import refusals_shown, requesting_user


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def kept_continue(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask where a kept folder is to end, and request the job that goes on with it."""
    job = get_object_or_404(Job.objects.select_related("instance"), pk=pk)
    shown = load_kept_folder(job)
    if shown is None:
        messages.error(request, f"Job {pk} has no folder that is kept.")
        return redirect("job-detail", pk)
    form = ContinueForm(request.POST if request.method == "POST" else None, kept=shown.kept)
    if request.method == "POST" and form.is_valid():
        with refusals_shown(request):
            kept = kept_folder(pk)
            _refuse_program(request, kept)
            goal = form.cleaned_data["goal"]
            new = continue_restore(
                kept, replay=goal.as_parameters(), requested_by=requesting_user(request)
            )
            return redirect("job-detail", new.pk)
    context = {"job": job, "shown": shown, "form": form, "job_number": str(pk)}
    status = 422 if form.errors else 200
    return render(request, "monitor/kept_continue.html", context, status=status)


@require_POST
@needs(Role.OPERATOR)
def kept_remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a tick remove a kept folder."""
    with refusals_shown(request):
        kept = kept_folder(pk)
        if name_confirmed(request, kept.target):
            give_up(kept)
            messages.info(request, f"{kept.target} is removed within a minute.")
    return redirect("job-detail", pk)


def _refuse_program(request: HttpRequest, kept: KeptRestore) -> None:
    """A server program that an admin chose is not run for somebody else."""
    if RestoreParameters.of(kept.job).mysqld and not has_role(request.user, Role.ADMIN):
        raise Refused(
            f"job {kept.job_id} uses a server program that an admin chose",
            hint="Let an admin continue it.",
        )
