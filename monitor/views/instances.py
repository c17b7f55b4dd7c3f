"""One instance: its page, and the button that backs it up."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_POST, require_safe

from backups.jobs import create_backup_job
from backups.models import Instance
from monitor.charts.instance import instance_charts
from monitor.roles import Role, needs
from monitor.selectors.instance import load_history
from monitor.selectors.repositories import list_enabled
from monitor.selectors.runs import list_runs
from monitor.views.requests import asking_user, refusals_shown


@require_safe
@needs(Role.VIEWER)
def instance_detail(request: HttpRequest, name: str) -> HttpResponse:
    context = _context(request, name) | {"repositories": list_enabled()}
    context["charts"] = instance_charts(list_runs(name))
    return render(request, "monitor/instance_detail.html", context)


@require_safe
@needs(Role.VIEWER)
def instance_live(request: HttpRequest, name: str) -> HttpResponse:
    """The live regions alone, on the same page of their tables."""
    return render(request, "monitor/partials/instance_refresh.html", _context(request, name))


@require_POST
@needs(Role.OPERATOR)
def instance_backup(request: HttpRequest, name: str) -> HttpResponse:
    """Ask for a full backup, now, into the repositories that were ticked."""
    instance = get_object_or_404(Instance, name=name)
    ticked = request.POST.getlist("repository")
    repositories = [r for r in list_enabled() if r.name in ticked]
    with refusals_shown(request):
        job = create_backup_job(
            instance, repositories=repositories or None, requested_by=asking_user(request)
        )
        return redirect("job-detail", job.pk)
    return redirect("instance-detail", instance.name)


def _context(request: HttpRequest, name: str) -> dict[str, object]:
    instance = get_object_or_404(Instance.objects.prefetch_related("groups"), name=name)
    history = load_history(
        instance,
        now(),
        backup_page=request.GET.get("backups"),
        job_page=request.GET.get("jobs"),
    )
    return {"instance": instance, "history": history}
