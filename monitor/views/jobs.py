"""One job: its page, its live parts, and the button that stops it."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_POST, require_safe

from backups.jobs.cancel import request_cancel
from backups.jobs.repeat import rerun
from backups.models import Job
from monitor.access.roles import Role, needs
from monitor.charts.job import rate_chart
from monitor.selectors.job import jobs_for_pages, load_job
from monitor.selectors.job_alike import load_alike
from monitor.selectors.job_log import (
    LogWindow,
    lines_after,
    lines_before,
    newest_lines,
    read_filter,
)
from monitor.views.requests import asking_user, refusals_shown


@require_safe
@needs(Role.VIEWER)
def job_detail(request: HttpRequest, pk: int) -> HttpResponse:
    job = get_object_or_404(jobs_for_pages(), pk=pk)
    wanted = read_filter(request.GET)
    context = {
        "job": job,
        "view": load_job(job, now()),
        "log": newest_lines(job, wanted),
        "wanted": wanted,
        "job_number": str(job.pk),
        "alike": load_alike(job),
        "rates": rate_chart(job),
    }
    return render(request, "monitor/job_detail.html", context)


@require_safe
@needs(Role.VIEWER)
def job_live(request: HttpRequest, pk: int) -> HttpResponse:
    """The live region alone; once the job has ended it no longer asks for more."""
    job = get_object_or_404(jobs_for_pages(), pk=pk)
    context = {"job": job, "view": load_job(job, now()), "alike": load_alike(job)}
    return render(request, "monitor/partials/job_live.html", context)


@require_safe
@needs(Role.VIEWER)
def job_rate(request: HttpRequest, pk: int) -> HttpResponse:
    """The course of the rate alone, as far as it goes by now."""
    job = get_object_or_404(Job, pk=pk)
    context = {"job": job, "rates": rate_chart(job)}
    return render(request, "monitor/partials/job_rate.html", context)


@require_safe
@needs(Role.VIEWER)
def job_log(request: HttpRequest, pk: int) -> HttpResponse:
    """Lines of the log around one that the page has already."""
    job = get_object_or_404(Job, pk=pk)
    wanted = read_filter(request.GET)
    if "before" in request.GET:
        template = "monitor/partials/log_before.html"
        log: LogWindow = lines_before(job, _line_id(request, "before"), wanted)
    else:
        template = "monitor/partials/log_after.html"
        log = lines_after(job, _line_id(request, "after"), wanted)
    return render(request, template, {"job": job, "log": log, "wanted": wanted})


@require_POST
@needs(Role.OPERATOR)
def job_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Query for the same once more, as a new job."""
    job = get_object_or_404(Job.objects.select_related("instance", "copy__backup"), pk=pk)
    with refusals_shown(request):
        return redirect("job-detail", rerun(job, requested_by=asking_user(request)).pk)
    return redirect("job-detail", job.pk)


@require_POST
@needs(Role.OPERATOR)
def job_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Query a job to stop; its worker notices within seconds."""
    job = get_object_or_404(Job, pk=pk)
    with refusals_shown(request):
        if request_cancel(job, actor=asking_user(request).get_username()):
            messages.info(request, "The job was asked to stop.")
        else:
            messages.warning(request, "The job had ended already.")
    return redirect("job-detail", job.pk)


def _line_id(request: HttpRequest, name: str) -> int:
    word = request.GET.get(name, "")
    # Longer than any id: the database would refuse the number.
    if not (word.isascii() and word.isdigit() and len(word) <= 18):
        raise Http404(f"{name} is not the number of a line")
    return int(word)
