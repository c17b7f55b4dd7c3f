"""One job: its page, its live parts, cancelling and repeating it."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_POST, require_safe

from backups.jobs.cancel import request_cancel
from backups.jobs.pace import limit_in_words, parse_by_hand, set_limit
from backups.jobs.repeat import rerun
from backups.models import Job
from monitor.access.roles import Role, needs
from monitor.charts.job import rate_charts
from monitor.selectors.job import jobs_for_pages, load_job
from monitor.selectors.job_alike import load_similar_failures
from monitor.selectors.job_log import (
    LogWindow,
    lines_after,
    lines_before,
    newest_lines,
    read_filter,
)
from monitor.views.requests import refusals_shown, requesting_user


@require_safe
@needs(Role.VIEWER)
def job_detail(request: HttpRequest, pk: int) -> HttpResponse:
    job = get_object_or_404(jobs_for_pages(), pk=pk)
    log_filter = read_filter(request.GET)
    context = {
        "job": job,
        "view": load_job(job, now()),
        "log": newest_lines(job, log_filter),
        "wanted": log_filter,
        "job_number": str(job.pk),
        "alike": load_similar_failures(job),
        "rates": rate_charts(job),
    }
    return render(request, "monitor/job_detail.html", context)


@require_safe
@needs(Role.VIEWER)
def job_live(request: HttpRequest, pk: int) -> HttpResponse:
    """Render the live region only; it stops refreshing once the job has ended."""
    job = get_object_or_404(jobs_for_pages(), pk=pk)
    context = {"job": job, "view": load_job(job, now()), "alike": load_similar_failures(job)}
    return render(request, "monitor/partials/job_live.html", context)


@require_safe
@needs(Role.VIEWER)
def job_rate(request: HttpRequest, pk: int) -> HttpResponse:
    """Render the chart of the transfer rate only."""
    job = get_object_or_404(Job, pk=pk)
    context = {"job": job, "rates": rate_charts(job)}
    return render(request, "monitor/partials/job_rate.html", context)


@require_safe
@needs(Role.VIEWER)
def job_log(request: HttpRequest, pk: int) -> HttpResponse:
    """Render log lines before or after one that the page has."""
    job = get_object_or_404(Job, pk=pk)
    log_filter = read_filter(request.GET)
    if "before" in request.GET:
        template = "monitor/partials/log_before.html"
        log: LogWindow = lines_before(job, _line_id(request, "before"), log_filter)
    else:
        template = "monitor/partials/log_after.html"
        log = lines_after(job, _line_id(request, "after"), log_filter)
    return render(request, template, {"job": job, "log": log, "wanted": log_filter})


@require_POST
@needs(Role.OPERATOR)
def job_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Request the same again, as a new job."""
    job = get_object_or_404(Job.objects.select_related("instance", "copy__backup"), pk=pk)
    with refusals_shown(request):
        return redirect("job-detail", rerun(job, requested_by=requesting_user(request)).pk)
    return redirect("job-detail", job.pk)


@require_POST
@needs(Role.OPERATOR)
def job_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Request the cancellation of a job; its worker notices within seconds."""
    job = get_object_or_404(Job, pk=pk)
    with refusals_shown(request):
        if request_cancel(job, actor=requesting_user(request).get_username()):
            messages.info(request, "Cancellation of the job was requested.")
        else:
            messages.warning(request, "The job had already ended.")
    return redirect("job-detail", job.pk)


@require_POST
@needs(Role.OPERATOR)
def job_pace(request: HttpRequest, pk: int) -> HttpResponse:
    """Set the limit of a running backup; its copy reads it within seconds."""
    job = get_object_or_404(Job, pk=pk)
    with refusals_shown(request):
        limit = parse_by_hand(request.POST.get("choice") or request.POST.get("limit", ""))
        set_limit(job, limit, actor=requesting_user(request).get_username())
        messages.success(request, f"The pace was set: {limit_in_words(limit)}.")
    return redirect("job-detail", job.pk)


def _line_id(request: HttpRequest, name: str) -> int:
    word = request.GET.get(name, "")
    # A longer number is not a valid id: the database would reject it.
    if not (word.isascii() and word.isdigit() and len(word) <= 18):
        raise Http404(f"{name} is not a line number")
    return int(word)
