"""Groups under Settings: listed, added, changed, deleted."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from backups.models import InstanceGroup
from monitor.access.roles import Role, needs
from monitor.forms.settings import GroupForm
from monitor.selectors.settings import list_groups, why_group_stays
from monitor.views.settings_pages import delete, record_saved, tabs


@require_safe
@needs(Role.ADMIN)
def setting_groups(request: HttpRequest) -> HttpResponse:
    context = {"groups": list_groups(), "tabs": tabs("groups")}
    return render(request, "monitor/settings/groups.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
def setting_group_add(request: HttpRequest) -> HttpResponse:
    return _form(request, InstanceGroup(), "")


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
def setting_group_edit(request: HttpRequest, name: str) -> HttpResponse:
    return _form(request, get_object_or_404(InstanceGroup, name=name), name)


@require_POST
@needs(Role.ADMIN)
def setting_group_delete(request: HttpRequest, name: str) -> HttpResponse:
    group = get_object_or_404(InstanceGroup, name=name)
    if delete(request, group, name, why_group_stays(group)):
        return redirect("setting-groups")
    return redirect("setting-group-edit", name)


def _form(request: HttpRequest, group: InstanceGroup, name: str) -> HttpResponse:
    form = GroupForm(request.POST if request.method == "POST" else None, instance=group)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            form.save()
            record_saved(form, added=not name)
        messages.success(request, f"{form.instance.name} was saved.")
        return redirect("setting-groups")
    context = {"form": form, "name": name, "tabs": tabs("groups")}
    if name:
        context["stays"] = why_group_stays(get_object_or_404(InstanceGroup, name=name))
    return render(
        request, "monitor/settings/group.html", context, status=422 if form.errors else 200
    )
