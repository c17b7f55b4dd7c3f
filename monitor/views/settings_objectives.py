"""Recovery objectives under Settings: listed, added, changed, deleted."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from backups.models import RecoveryObjective
from backups.objectives.save import remove_objective, save_objective
from monitor.access.roles import Role, needs
from monitor.forms.objective import ObjectiveForm
from monitor.selectors.settings import list_objectives
from monitor.views.settings_pages import tabs


@require_safe
@needs(Role.ADMIN)
def setting_objectives(request: HttpRequest) -> HttpResponse:
    context = {"objectives": list_objectives(), "tabs": tabs("objectives")}
    return render(request, "monitor/settings/objectives.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
def setting_objective_add(request: HttpRequest) -> HttpResponse:
    return _form(request, RecoveryObjective())


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
def setting_objective_edit(request: HttpRequest, objective: int) -> HttpResponse:
    return _form(request, get_object_or_404(RecoveryObjective, pk=objective))


@require_POST
@needs(Role.ADMIN)
def setting_objective_delete(request: HttpRequest, objective: int) -> HttpResponse:
    """Delete an objective: the wider scope applies again."""
    row = get_object_or_404(RecoveryObjective, pk=objective)
    scope = row.scope
    remove_objective(row, now())
    messages.success(request, f"The objective of {scope} was deleted.")
    return redirect("setting-objectives")


def _form(request: HttpRequest, objective: RecoveryObjective) -> HttpResponse:
    known = objective.scope if objective.pk else ""
    number = objective.pk
    form = ObjectiveForm(request.POST if request.method == "POST" else None, instance=objective)
    if request.method == "POST" and form.is_valid():
        save_objective(form.instance, now())
        messages.success(request, f"The objective of {form.instance.scope} was saved.")
        return redirect("setting-objectives")
    context = {"form": form, "known": known, "number": number}
    return render(
        request, "monitor/settings/objective.html", context, status=422 if form.errors else 200
    )
