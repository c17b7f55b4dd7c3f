"""Channels: the list, and the page of one with its routes, notifications and test."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from alerts.delivery.channels import CHANNELS
from alerts.delivery.sending import send_test
from alerts.models import Channel
from backups.activity import record
from backups.admin.places import place_to_wait
from backups.exceptions import MooringError
from backups.models.activity import Verb
from monitor.access.roles import Role, needs
from monitor.confirmations import name_confirmed
from monitor.environment import is_same_site
from monitor.forms.channel import ChannelForm
from monitor.selectors.channels import label_of, load_channel, load_channels
from monitor.views.requests import requesting_user

FORM_METHODS = ["GET", "HEAD", "POST"]


@require_safe
@needs(Role.VIEWER)
def channels(request: HttpRequest) -> HttpResponse:
    page, rows = load_channels(request.GET.get("page"))
    kinds = [(name, kind.label) for name, kind in CHANNELS.items()]
    here = request.build_absolute_uri("/").rstrip("/")
    elsewhere = "" if is_same_site(here, settings.SITE_URL) else settings.SITE_URL
    context = {"page": page, "rows": rows, "kinds": kinds, "elsewhere": elsewhere, "here": here}
    return render(request, "monitor/channels.html", context)


@require_safe
@needs(Role.VIEWER)
def channel_detail(request: HttpRequest, name: str) -> HttpResponse:
    view = load_channel(name, request.GET.get("page"))
    if view is None:
        raise Http404(f"no channel is named {name}")
    context = {"view": view, "channel": view.row.channel}
    return render(request, "monitor/channel_detail.html", context)


@require_http_methods(FORM_METHODS)
@needs(Role.ADMIN)
def channel_add(request: HttpRequest, kind: str) -> HttpResponse:
    if kind not in CHANNELS:
        raise Http404(f"no kind of channel is named {kind}")
    return _edit(request, Channel(kind=kind))


@require_http_methods(FORM_METHODS)
@needs(Role.ADMIN)
def channel_edit(request: HttpRequest, name: str) -> HttpResponse:
    channel = get_object_or_404(Channel, name=name)
    if channel.kind not in CHANNELS:
        raise Http404(f"the kind of channel {name} no longer exists")
    return _edit(request, channel)


@require_POST
@needs(Role.ADMIN)
def channel_test(request: HttpRequest, name: str) -> HttpResponse:
    """Send a test at once, and show the response of the receiver."""
    channel = get_object_or_404(Channel, name=name)
    try:
        with place_to_wait():
            record(Verb.TESTED, channel)
            response = send_test(channel, requested_by=requesting_user(request).get_username())
    except MooringError as exc:
        messages.error(request, f"The test was not delivered: {exc}. {exc.hint}".rstrip())
    else:
        messages.success(request, f"The test was delivered. Response: {response or 'none'}")
    return redirect("channel-detail", name)


@require_POST
@needs(Role.ADMIN)
def channel_delete(request: HttpRequest, name: str) -> HttpResponse:
    """Delete a channel with its routes and the history of its notifications."""
    channel = get_object_or_404(Channel, name=name)
    if not name_confirmed(request, channel.name):
        return redirect("channel-detail", name)
    record(Verb.DELETED, channel)
    channel.delete()
    messages.success(request, f"Channel {name} was deleted.")
    return redirect("channels")


def _edit(request: HttpRequest, channel: Channel) -> HttpResponse:
    # Validation changes the row: the page needs its present name.
    name, new, label = channel.name, channel.pk is None, label_of(channel.kind)
    form = ChannelForm(request.POST or None, instance=channel)
    if request.method == "POST" and form.is_valid():
        saved = form.store()
        # Names of fields only: their values may be secret.
        changed = {"changed": form.changed_data}
        record(Verb.ADDED if new else Verb.CHANGED, saved, details=changed)
        messages.success(request, f"Channel {saved.name} was saved. Send a test to check it.")
        return redirect("channel-detail", saved.name)
    context = {"form": form, "name": name, "label": label}
    status = 422 if request.method == "POST" else 200
    return render(request, "monitor/channel_form.html", context, status=status)
