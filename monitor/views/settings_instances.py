"""Instances under Settings: listed, added, tested before they are saved, changed, deleted."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import (
    require_GET,
    require_http_methods,
    require_POST,
    require_safe,
)

from backups.access import runner_of, stores_of
from backups.admin.places import place_to_wait
from backups.checks import failed
from backups.engines import ENGINES
from backups.exceptions import MooringError
from backups.instances.grants import create_statements
from backups.models import Instance, Repository
from backups.preflight.checks import run_checks
from backups.preflight.left_out import judge_together
from backups.programs.compatibility import CLONE, MARIADB_BACKUP
from monitor.access.roles import Role, needs
from monitor.forms.instance import InstanceSettingsForm
from monitor.selectors.settings import list_instances, why_instance_stays
from monitor.views.settings_pages import delete, record_saved, tabs

LOOPBACK = {"", "localhost", "127.0.0.1", "::1"}


@require_safe
@needs(Role.ADMIN)
def settings_instances(request: HttpRequest) -> HttpResponse:
    text = request.GET.get("q", "").strip()
    page = list_instances(text, request.GET.get("page"))
    context = {"page": page, "asked": text, "tabs": tabs("instances")}
    return render(request, "monitor/settings/instances.html", context)


@sensitive_post_parameters("new_password")
@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
def setting_instance_add(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request, InstanceSettingsForm())
    form = InstanceSettingsForm(request.POST)
    if not _save(form, added=True):
        return _page(request, form)
    messages.success(request, f"{form.instance.name} was added.")
    if not Repository.objects.exists():
        # The first steps continue on the fleet page.
        return redirect("fleet")
    return redirect("instance-detail", form.instance.name)


@sensitive_post_parameters("new_password")
@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
def setting_instance_edit(request: HttpRequest, name: str) -> HttpResponse:
    instance = get_object_or_404(Instance, name=name)
    if request.method != "POST":
        return _page(request, InstanceSettingsForm(instance=instance), name)
    form = InstanceSettingsForm(request.POST, instance=instance)
    if not _save(form, added=False):
        return _page(request, form, name)
    messages.success(request, f"{form.instance.name} was saved.")
    return redirect("instance-detail", form.instance.name)


@sensitive_post_parameters("new_password")
@require_POST
@needs(Role.ADMIN)
def setting_instance_test(request: HttpRequest) -> HttpResponse:
    """Run the preflight checks with the values of the form; nothing is stored."""
    name = request.POST.get("present_name", "")
    present = Instance.objects.filter(name=name).first() if name else None
    form = InstanceSettingsForm(request.POST, instance=present)
    context = _test(form)
    if "HX-Request" in request.headers:
        return render(request, "monitor/settings/instance_test.html", context | {"form": form})
    return _page(request, form, name, **context)


@require_POST
@needs(Role.ADMIN)
def setting_instance_delete(request: HttpRequest, name: str) -> HttpResponse:
    instance = get_object_or_404(Instance, name=name)
    if delete(request, instance, name, why_instance_stays(instance)):
        return redirect("settings")
    return redirect("setting-instance-edit", name)


@require_GET
@needs(Role.ADMIN)
def setting_grants(request: HttpRequest) -> HttpResponse:
    """Render the GRANT statements for the values of the form; without a password."""
    names = ("user", "host", "socket", "engine")
    values = {name: request.GET.get(name, "")[:253] for name in names}
    return render(request, "monitor/settings/grants.html", {"accounts": _accounts(**values)})


def _save(form: InstanceSettingsForm, *, added: bool) -> bool:
    if not form.is_valid():
        return False
    try:
        form.proposed()
    except ValidationError as exc:
        form.add_error(None, exc)
        return False
    with transaction.atomic():
        form.save()
        record_saved(form, added=added)
    return True


def _test(form: InstanceSettingsForm) -> dict[str, object]:
    if not form.is_valid():
        return {"not_tested": True}
    try:
        instance = form.proposed()
        stores = stores_of(Repository.objects.filter(enabled=True))
        with place_to_wait():
            checks = judge_together(run_checks(instance, stores, runner_of(instance))).checks
    except ValidationError as exc:
        form.add_error(None, exc)
        return {"not_tested": True}
    except MooringError as exc:
        return {"problem": exc}
    return {"checks": checks, "refused": failed(checks), "tested": instance}


def _page(
    request: HttpRequest, form: InstanceSettingsForm, name: str = "", **more: object
) -> HttpResponse:
    names = ("user", "host", "socket", "engine")
    values = {name: str(form[name].value() or "") for name in names}
    context: dict[str, object] = {
        "form": form,
        "name": name,
        "accounts": _accounts(**values),
        "tabs": tabs("instances"),
    }
    if name:
        context["stays"] = why_instance_stays(get_object_or_404(Instance, name=name))
    return render(
        request,
        "monitor/settings/instance.html",
        context | more,
        status=422 if form.errors else 200,
    )


def _accounts(user: str, host: str, socket: str, engine: str) -> list[tuple[str, list[str]]]:
    """Return the statements that create the account, for every engine if none is chosen."""
    seen_from = "localhost" if socket or host in LOOPBACK else "%"
    engines = {engine: ""} if engine in ENGINES else {MARIADB_BACKUP: "MariaDB", CLONE: "MySQL"}
    return [
        (title, create_statements(user or "mooring", seen_from, name))
        for name, title in engines.items()
    ]
