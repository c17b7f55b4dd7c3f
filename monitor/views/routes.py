"""Routes of a channel: add, change, delete."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import get_current_timezone_name
from django.views.decorators.http import require_http_methods, require_POST

from alerts.models import Channel, Route
from backups.activity import record
from backups.models.activity import Verb
from monitor.access.roles import Role, needs
from monitor.forms.route import RouteForm
from monitor.views.channels import FORM_METHODS


@require_http_methods(FORM_METHODS)
@needs(Role.ADMIN)
def route_add(request: HttpRequest, name: str) -> HttpResponse:
    channel = get_object_or_404(Channel, name=name)
    return _edit(request, Route(channel=channel, time_zone=get_current_timezone_name()))


@require_http_methods(FORM_METHODS)
@needs(Role.ADMIN)
def route_edit(request: HttpRequest, name: str, route: int) -> HttpResponse:
    return _edit(request, get_object_or_404(Route, pk=route, channel__name=name))


@require_POST
@needs(Role.ADMIN)
def route_delete(request: HttpRequest, name: str, route: int) -> HttpResponse:
    row = get_object_or_404(Route, pk=route, channel__name=name)
    record(Verb.DELETED, row)
    row.delete()
    messages.success(request, "The route was deleted.")
    return redirect("channel-detail", name)


def _edit(request: HttpRequest, route: Route) -> HttpResponse:
    new = route.pk is None
    form = RouteForm(request.POST if request.method == "POST" else None, instance=route)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            saved = form.save()
        changed = {"changed": form.changed_data}
        record(Verb.ADDED if new else Verb.CHANGED, saved, details=changed)
        messages.success(request, "The route was saved.")
        return redirect("channel-detail", route.channel.name)
    context = {"form": form, "channel": route.channel, "new": new}
    status = 422 if request.method == "POST" else 200
    return render(request, "monitor/route_form.html", context, status=status)
