"""Repositories under Settings: listed, added, changed, deleted. Stored bytes stay as they are."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from backups.admin.repository import SECRET_FIELDS
from backups.models import Instance, Repository
from backups.retention.second_admin import request_settings
from monitor.access.roles import Role, needs
from monitor.forms.repository import RepositorySettingsForm
from monitor.forms.repository_kinds import CHOICES, RepositoryChoice
from monitor.selectors.repositories import list_repositories
from monitor.selectors.retention import WhatIf, needs_confirmation, what_if
from monitor.selectors.settings import key_state, why_repository_stays
from monitor.views.requests import requesting_user
from monitor.views.settings_pages import delete, record_saved, tabs


@require_safe
@needs(Role.ADMIN)
def setting_repositories(request: HttpRequest) -> HttpResponse:
    context = {"rows": list_repositories(), "tabs": tabs("repositories"), "key": key_state()}
    return render(request, "monitor/settings/repositories.html", context)


@sensitive_post_parameters(*SECRET_FIELDS)
@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
def setting_repository_add(request: HttpRequest) -> HttpResponse:
    """Ask for the kind first; then show the form of that kind, or the command that adds it."""
    choice = CHOICES.get(request.GET.get("kind", ""))
    if request.method != "POST":
        if choice is None or choice.by_command:
            return _choose(request, choice)
        return _page(request, RepositorySettingsForm(choice=choice))
    form = RepositorySettingsForm(request.POST, choice=choice)
    if not _save(form, added=True):
        return _page(request, form)
    messages.success(request, f"Repository {form.instance.name} was added.")
    if not Instance.objects.filter(backups__isnull=False).exists():
        # The first steps continue on the fleet page.
        return redirect("fleet")
    return redirect("repository-detail", form.instance.name)


@sensitive_post_parameters(*SECRET_FIELDS)
@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
def setting_repository_edit(request: HttpRequest, name: str) -> HttpResponse:
    repository = get_object_or_404(Repository, name=name)
    if request.method != "POST":
        return _page(request, RepositorySettingsForm(instance=repository), name)
    form = RepositorySettingsForm(request.POST, instance=repository)
    changes = what_if(form.instance, now()) if form.is_valid() else None
    if needs_confirmation(request, changes):
        return _page(request, form, name, changes)
    if not _save(form, added=False):
        return _page(request, form, name)
    if form.weaker:
        request_settings(form.instance, form.weaker, requesting_user(request), now())
        messages.warning(request, "Another admin must confirm the rest, under Deletions.")
    messages.success(request, f"{form.instance.name} was saved.")
    return redirect("repository-detail", form.instance.name)


@require_POST
@needs(Role.ADMIN)
def setting_repository_delete(request: HttpRequest, name: str) -> HttpResponse:
    repository = get_object_or_404(Repository, name=name)
    if delete(request, repository, name, why_repository_stays(repository)):
        return redirect("setting-repositories")
    return redirect("setting-repository-edit", name)


def _choose(request: HttpRequest, choice: RepositoryChoice | None) -> HttpResponse:
    context = {"choices": CHOICES.values(), "choice": choice, "tabs": tabs("repositories")}
    return render(request, "monitor/settings/repository_kind.html", context)


def _save(form: RepositorySettingsForm, *, added: bool) -> bool:
    if not form.is_valid():
        return False
    with transaction.atomic():
        form.save()
        record_saved(form, added=added)
    return True


def _page(
    request: HttpRequest,
    form: RepositorySettingsForm,
    name: str = "",
    to_confirm: WhatIf | None = None,
) -> HttpResponse:
    context = {"form": form, "name": name, "key": key_state(), "tabs": tabs("repositories")}
    context |= {"what_if": to_confirm, "must_confirm": to_confirm is not None}
    if name:
        context["stays"] = why_repository_stays(get_object_or_404(Repository, name=name))
    return render(
        request,
        "monitor/settings/repository.html",
        context,
        status=422 if form.errors or to_confirm else 200,
    )
