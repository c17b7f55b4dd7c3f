"""One instance: its page, starting a backup, and the preflight checks."""

from __future__ import annotations

from dataclasses import replace

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from backups.access import runner_of, stores_of
from backups.admin.places import place_to_wait
from backups.chains.planner import KINDS
from backups.checks import failed
from backups.engines import engine_named
from backups.engines.mariadb_backup import MariadbOptions
from backups.exceptions import BadInput
from backups.hooks.checks import hook_checks
from backups.jobs.request import create_backup_job
from backups.models import Instance, Repository
from backups.preflight.checks import remember, run_checks
from backups.preflight.left_out import JudgedChecks, judge_together
from backups.preflight.same_files import note_unproven_files
from backups.programs.compatibility import CLONE
from backups.states import AUTO, PLANNED_KINDS, BackupKind
from backups.table_names.choice import TableChoice, parse_choice, pattern_lines
from monitor.access.roles import Role, needs
from monitor.charts.instance import instance_charts
from monitor.charts.objectives import objective_charts
from monitor.selectors.destinations import load_destinations
from monitor.selectors.drills import load_recovery
from monitor.selectors.hooks import load_hooks_of_instance
from monitor.selectors.instance import load_history
from monitor.selectors.instance_header import load_instance_header
from monitor.selectors.instance_runs import list_runs
from monitor.selectors.objectives import load_objectives_view
from monitor.selectors.rehearsals import rehearsals_of_instance
from monitor.selectors.repositories import list_enabled
from monitor.views.requests import refusals_shown, requesting_user

_SELECT = "Select where the backup is stored, or add a repository under Settings."


@require_safe
@needs(Role.VIEWER)
def instance_detail(request: HttpRequest, name: str) -> HttpResponse:
    context = _context(request, name)
    context["charts"] = instance_charts(list_runs(name))
    instance = context["instance"]
    assert isinstance(instance, Instance)
    known = load_instance_header(instance, now())
    context["known"] = known
    context["recovery"] = load_recovery(instance)
    context["objectives"] = objectives = load_objectives_view(instance, now())
    context["objective_charts"] = objective_charts(objectives)
    context["rehearsals"] = rehearsals_of_instance(instance)
    context["hooks"] = load_hooks_of_instance(instance)
    offered = (*KINDS, AUTO)
    context["kinds"] = [
        {"value": kind, "label": label} for kind, label in PLANNED_KINDS if kind in offered
    ]
    context["takes_increments"] = issubclass(engine_named(instance.engine).options, MariadbOptions)
    context["takes_partial"] = BackupKind.PARTIAL in engine_named(instance.engine).kinds
    context["destinations"] = load_destinations(instance, known.schedules)
    return render(request, "monitor/instance_detail.html", context)


@require_safe
@needs(Role.VIEWER)
def instance_live(request: HttpRequest, name: str) -> HttpResponse:
    """Render the live regions only, on the present pages of their tables."""
    return render(request, "monitor/partials/instance_refresh.html", _context(request, name))


@require_POST
@needs(Role.OPERATOR)
def instance_backup(request: HttpRequest, name: str) -> HttpResponse:
    """Request a backup now, of the selected kind, to the selected repositories."""
    instance = get_object_or_404(Instance, name=name)
    with refusals_shown(request):
        job = create_backup_job(
            instance,
            kind=request.POST.get("kind") or BackupKind.FULL,
            repositories=_selected(request),
            save_foreign_tables=_foreign_tables(request, instance),
            choice=_choice(request),
            incremental="incremental" in request.POST,
            optimistic=MariadbOptions(optimistic=True) if "optimistic" in request.POST else None,
            requested_by=requesting_user(request),
        )
        return redirect("job-detail", job.pk)
    return redirect("instance-detail", instance.name)


@require_POST
@needs(Role.OPERATOR)
def instance_doctor(request: HttpRequest, name: str) -> HttpResponse:
    """Run the preflight checks now, without a backup."""
    instance = get_object_or_404(Instance, name=name)
    with refusals_shown(request), place_to_wait():
        choice = _choice(request)
        kind = BackupKind.FULL if choice is None else BackupKind.PARTIAL
        preflight = run_checks(
            instance, stores_of(list_enabled()), runner_of(instance), None, kind, choice
        )
        note_unproven_files(instance, preflight.survey)
        if (facts := preflight.survey.facts) is not None:
            size = preflight.survey.raw_bytes if choice is None else None
            remember(instance, facts, now(), raw_bytes=size)
        judged = judge_together(preflight)
        judged = replace(judged, checks=(*judged.checks, *hook_checks(instance)))
        context: dict[str, object] = {"instance": instance, "checks": judged.checks, "at": now()}
        context |= {"bad": failed(judged.checks), "missing_copies": judged.missing_copies}
        context["chosen"] = preflight.survey.chosen
        if request.headers.get("HX-Request"):
            return render(request, "monitor/partials/doctor.html", context)
        _summarize(request, judged)
    if request.headers.get("HX-Request"):
        return HttpResponseClientRefresh()
    return redirect("instance-detail", name)


def _selected(request: HttpRequest) -> list[Repository]:
    """Return the repositories that the form had selected, and no others."""
    names = request.POST.getlist("repository")
    if not names:
        raise BadInput("no repository is selected", hint=_SELECT)
    repositories = list(Repository.objects.filter(name__in=names))
    if missing := sorted(set(names) - {repository.name for repository in repositories}):
        raise BadInput(f"no repository is named {', '.join(missing)}", hint="Select another one.")
    return repositories


def _summarize(request: HttpRequest, judged: JudgedChecks) -> None:
    """Show the failed checks as messages, for browsers without scripts."""
    for check in failed(judged.checks):
        messages.error(request, f"{check.name}: {check.found}. {check.hint}".rstrip())
    if not failed(judged.checks) and judged.left_out:
        messages.warning(request, f"A backup can be taken, with {judged.missing_copies}.")
    elif not failed(judged.checks):
        messages.success(request, "All checks passed: a backup can be taken.")


def _foreign_tables(request: HttpRequest, instance: Instance) -> bool | None:
    """Return whether non-InnoDB tables were requested; None: as set for the instance."""
    if instance.engine != CLONE or "options" not in request.POST:
        return None
    return "save_foreign_tables" in request.POST


def _choice(request: HttpRequest) -> TableChoice | None:
    """Return the tables that were chosen for a partial backup; None for another kind."""
    included, excluded = (
        pattern_lines(request.POST.get(name, "")) for name in ("include", "exclude")
    )
    return parse_choice(included, excluded)


def _context(request: HttpRequest, name: str) -> dict[str, object]:
    instance = get_object_or_404(Instance.objects.prefetch_related("groups"), name=name)
    history = load_history(
        instance,
        now(),
        backup_page=request.GET.get("backups"),
        job_page=request.GET.get("jobs"),
        chain_page=request.GET.get("chains"),
    )
    return {"instance": instance, "history": history}
